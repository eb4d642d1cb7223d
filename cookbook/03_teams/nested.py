"""A team whose member is a team: each leader knows its own members only.

    python nested.py

All runs share the session, the budget and the database of the one at the top; each has its own row and its
own tokens, and its events say how deep it is. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with
OPENAI_API_KEY set; without, the offline model plays all parts, with neither key nor network.
"""

import json
import os

from agentos.agent import Agent
from agentos.run import Budget
from agentos.team import Team

MODEL = os.getenv("AGENTOS_MODEL") or "offline"


def delegate(member_id: str, task: str) -> str:
    """The words that the offline model understands as an order to delegate."""
    return f"use delegate_task_to_member with {json.dumps({'member_id': member_id, 'task': task})}"


chapters = Team(
    name="Chapters",
    role="Writes chapters and checks them",
    model=MODEL,
    members=[
        Agent(name="Author", role="Writes", model=MODEL),
        Agent(name="Editor", role="Corrects", model=MODEL),
    ],
)
house = Team(
    name="Publishing house",
    model=MODEL,
    members=[chapters, Agent(name="Printer", role="Prints", model=MODEL)],
    budget=Budget(turns=30, tokens=100_000),
)

if __name__ == "__main__":
    task = delegate("chapters", delegate("author", "write a chapter about bees"))
    for event in house.run(task, stream=True, stream_events=True):
        origin = event.origin
        if origin and event.event in {"RunStarted", "RunCompleted"}:
            print(f"{'  ' * origin.nested_depth}{origin.name}: {event.event}")
