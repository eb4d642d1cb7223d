"""A client in plain httpx: run an agent and read its events as they come, then look at what was stored.

Start `basic.py` in another terminal, then:

    python python_client_httpx.py "Tell me a joke"

AGENTOS_URL and AGENTOS_TOKEN name another server, and the token that it wants.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import httpx

URL = os.getenv("AGENTOS_URL", "http://localhost:7777")
TOKEN = os.getenv("AGENTOS_TOKEN")


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream; each comes as one `data:` line of JSON."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def main(message: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
    # A model may think for a while between two events.
    with httpx.Client(base_url=URL, headers=headers, timeout=httpx.Timeout(10, read=120)) as client:
        agent_id: str = client.get("/agents").raise_for_status().json()[0]["id"]
        session_id = ""
        with client.stream("POST", f"/agents/{agent_id}/runs", json={"message": message}) as response:
            response.raise_for_status()
            for event in events(response):
                session_id = event["session_id"]
                match event["event"]:
                    case "ToolCallStarted":
                        print(f"[{event['tool']['tool_name']}]")
                    case "RunContent":
                        print(event["content"], end="", flush=True)
                    case "RunError":
                        print(f"failed: {event['content']}")
                    case _:
                        pass
        print()
        # The run doesn't depend on this connection: it is stored, whether or not somebody listens.
        for run in client.get(f"/sessions/{session_id}/runs").raise_for_status().json():
            print(f"stored: {run['run_id']} {run['status']}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Who are you?")
