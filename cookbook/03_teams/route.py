"""A team that routes: its leader chooses a member, whose answer is the team's.

    python route.py

The leader's model is called once; the member's words reach the user as they arrive, and unchanged. If the
member fails, so does the team's run. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with
OPENAI_API_KEY set; without, the offline model plays all parts, with neither key nor network.
"""

import os

from agentos.agent import Agent
from agentos.team import Team

MODEL = os.getenv("AGENTOS_MODEL") or "offline"
QUESTIONS = (
    'Use delegate_task_to_member with {"member_id": "billing", "task": "use invoice with {\\"number\\": 7}"}',
    'Use delegate_task_to_member with {"member_id": "shipping", "task": "use parcel with {\\"number\\": 7}"}',
)


def invoice(number: int) -> str:
    """Says whether an invoice has been paid.

    Args:
        number: The invoice's number.
    """
    return f"invoice {number} was paid on Monday"


def parcel(number: int) -> str:
    """Says where a parcel is.

    Args:
        number: The parcel's number.
    """
    return f"parcel {number} is in Linz"


team = Team(
    name="Front desk",
    mode="route",
    model=MODEL,
    members=[
        Agent(name="Billing", role="Answers questions about invoices", model=MODEL, tools=[invoice]),
        Agent(name="Shipping", role="Answers questions about parcels", model=MODEL, tools=[parcel]),
    ],
)

if __name__ == "__main__":
    for question in QUESTIONS:
        for event in team.run(question, stream=True):
            if event.event == "RunContent":
                print(event.content, end="", flush=True)
        print("\n")
