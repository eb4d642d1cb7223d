"""A team that coordinates: its leader gives tasks to members, and writes the answer from what they say.

    python coordinate.py

Both tasks are given in one turn, so the members work at the same time, each in a run of its own. Members see
the task that the leader writes, not the conversation. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini`
with OPENAI_API_KEY set; without, the offline model plays all parts, with neither key nor network.
"""

import os

from agentos.agent import Agent
from agentos.team import Team

MODEL = os.getenv("AGENTOS_MODEL") or "offline"
TASK = r"""Shall we hold the party in the garden on Sunday?
Use delegate_task_to_member with {"member_id": "weather", "task": "use forecast with {\"day\": \"Sunday\"}"}
and delegate_task_to_member with {"member_id": "diary", "task": "use bookings with {\"day\": \"Sunday\"}"}."""


def forecast(day: str) -> str:
    """Says what the weather will be like.

    Args:
        day: A day of the week.
    """
    return f"{day}: sunny, 24 degrees"


def bookings(day: str) -> str:
    """Lists who has booked the garden.

    Args:
        day: A day of the week.
    """
    return f"{day}: nobody"


weather = Agent(name="Weather", role="Knows the forecast", model=MODEL, tools=[forecast])
diary = Agent(name="Diary", role="Knows who has booked what", model=MODEL, tools=[bookings])
team = Team(name="Party planners", model=MODEL, members=[weather, diary])

if __name__ == "__main__":
    run = team.run(TASK)
    for call in run.tools:
        member = (call.tool_args or {})["member_id"]
        print(f"{member}, run {call.child_run_id}: {call.result}\n")
    print(f"The team: {run.content}")
