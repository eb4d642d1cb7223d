"""Members that work at the same time and change the same state: nothing is lost.

    python parallel_state.py

All runs of a team share the session's state. Each of three members adds its count to the sum; `state.add`
and `state.append` also merge with what other runs of the session store meanwhile. AGENTOS_MODEL names a
model, as `openai:gpt-5.4-mini` with OPENAI_API_KEY set; without, the offline model plays all parts, with
neither key nor network.
"""

import os

from agentos.agent import Agent
from agentos.run import RunContext
from agentos.team import Team

MODEL = os.getenv("AGENTOS_MODEL") or "offline"
TASK = 'Use delegate_task_to_members with {"task": "use count with {\\"votes\\": 10}"}'


def count(context: RunContext, votes: int) -> str:
    """Adds votes to the sum.

    Args:
        votes: How many there are in this ballot box.
    """
    context.state.add("sum", votes)
    context.state.append("boxes", context.run.runnable_id)
    return f"{votes} votes added"


team = Team(
    name="Election",
    mode="broadcast",
    model=MODEL,
    members=[
        Agent(name=name, role="Counts votes", model=MODEL, tools=[count]) for name in ("Ann", "Ben", "Cem")
    ],
    session_state={"sum": 0, "boxes": []},
)

if __name__ == "__main__":
    state = team.run(TASK).session_state or {}
    print(f"{state['sum']} votes from {', '.join(sorted(state['boxes']))}")
