"""A person's decision in a member's run: the team's run waits for it, and goes on where it stopped.

    python human_in_the_loop.py

It asks in the terminal. The members that need nobody end their work meanwhile, and do it once. With a
database (`Team(db=…)`) the paused runs are stored, and any process continues them:
`team.continue_run(run_id=…, requirements=…)`. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with
OPENAI_API_KEY set; without, the offline model plays all parts, with neither key nor network.
"""

import os

from agentos.agent import Agent
from agentos.team import Team
from agentos.tools import tool

MODEL = os.getenv("AGENTOS_MODEL") or "offline"
TASK = r"""
Use delegate_task_to_member with {"member_id": "bank", "task": "use transfer with {\"amount\": 50}"}
and delegate_task_to_member with {"member_id": "post", "task": "use letter with {\"to\": \"Bo\"}"}."""


@tool(requires_confirmation=True)
def transfer(amount: int) -> str:
    """Sends money."""
    return f"{amount} euros sent"


def letter(to: str) -> str:
    """Writes a letter."""
    print(f"[a letter to {to} is in the post]")
    return f"{to} will get a letter"


team = Team(
    name="Office",
    model=MODEL,
    members=[
        Agent(name="Bank", role="Sends money", model=MODEL, tools=[transfer]),
        Agent(name="Post", role="Writes letters", model=MODEL, tools=[letter]),
    ],
)


def main() -> None:
    run = team.run(TASK)
    while run.is_paused:
        for requirement in run.requirements:
            call = requirement.tool_execution
            print(f"{requirement.member_agent_name} wants {call.tool_name}({call.tool_args})")
            if input("Do it? [y/n] ") == "y":
                requirement.confirm()
            else:
                requirement.reject(note=input("Why not? "))
        run = team.continue_run(run)
    print(f"\n{run.content}")


if __name__ == "__main__":
    main()
