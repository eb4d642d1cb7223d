"""Tool calls that wait for a person: one to agree to, one to fill in, one to make elsewhere.

    python human_in_the_loop.py

It asks in the terminal. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with OPENAI_API_KEY set;
without, the offline model plays its part, with neither key nor network. With a database (`Agent(db=…)`) the
paused run is stored, and any process goes on with it: `agent.continue_run(run_id=…, requirements=…)`.
"""

import os

from agentos.agent import Agent
from agentos.run.requirement import RunRequirement
from agentos.tools import idempotency_key, tool

TASK = """\
use delete_report with {"name": "draft"}, use send_report with {"name": "final"} \
and use restart_printer with {"room": "7a"}"""


@tool(requires_confirmation=True)
def delete_report(name: str) -> str:
    """Deletes a report for good."""
    return f"{name} is gone"


@tool(requires_user_input=True, user_input_fields=["address"])
def send_report(name: str, address: str) -> str:
    """Mails a report.

    Args:
        name: Which report.
        address: Whom to send it to.
    """
    # A mail service that is given the key sends the mail once, should the call be made again.
    return f"{name} was sent to {address} as {idempotency_key()[:8]}"


@tool(external_execution=True)
def restart_printer(room: str) -> str:
    """Restarts the printer of a room."""
    raise AssertionError(f"nothing here can reach the printer in {room}")


def ask(requirement: RunRequirement) -> None:
    """Decides on one call, as the person at the terminal says."""
    call = requirement.tool_execution
    print(f"\n{call.tool_name}({call.tool_args})")
    if requirement.needs_confirmation:
        if input("Do it? [y/n] ") == "y":
            requirement.confirm()
        else:
            requirement.reject(note=input("Why not? "))
    elif requirement.needs_user_input:
        names = [field["name"] for field in requirement.user_input_schema]
        requirement.provide_user_input({name: input(f"{name}: ") for name in names})
    else:
        requirement.set_external_execution_result(input("What came of it? "))


def main() -> None:
    agent = Agent(
        name="Clerk",
        model=os.getenv("AGENTOS_MODEL") or "offline",
        tools=[delete_report, send_report, restart_printer],
    )
    run = agent.run(TASK)
    while run.is_paused:
        for requirement in run.requirements:
            ask(requirement)
        run = agent.continue_run(run)
    print(f"\n{run.content}")


if __name__ == "__main__":
    main()
