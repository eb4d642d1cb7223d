"""A team that broadcasts: all members get the same task, and the leader writes the answer from what they say.

    python broadcast.py

The leader reads one result a member, with its id and status: a member that fails is named as such and stops
nobody. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with OPENAI_API_KEY set; without, the offline
model plays all parts, with neither key nor network.
"""

import json
import os

from agentos.agent import Agent
from agentos.errors import ModelError
from agentos.models.base import ModelRequest
from agentos.models.function import FunctionModel
from agentos.team import Team

MODEL = os.getenv("AGENTOS_MODEL") or "offline"
TASK = 'Use delegate_task_to_members with {"task": "May we sell on Sundays?"}'


def out_of_order(request: ModelRequest) -> str:
    """Stands for a model whose provider is down."""
    raise ModelError("The model is overloaded.")


team = Team(
    name="Committee",
    mode="broadcast",
    model=MODEL,
    members=[
        Agent(name="Lawyer", role="Knows the law", model=MODEL),
        Agent(name="Accountant", role="Knows what it costs", model=MODEL),
        Agent(name="Press officer", role="Knows what people will say", model=FunctionModel(out_of_order)),
    ],
)

if __name__ == "__main__":
    run = team.run(TASK)
    for result in json.loads(run.tools[0].result or "[]"):
        print(f"{result['member_id']}, {result['status']}: {result.get('content') or result['error']}\n")
    print(f"{run.status.value}: {run.content}")
