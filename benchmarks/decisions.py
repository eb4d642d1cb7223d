"""What judging a request costs in this process: the decision alone, and all that a verified token adds.

Processor time, which other programs on the machine change little.
"""

from __future__ import annotations

from itertools import cycle, islice
from time import process_time
from typing import Any, Final

from fastapi import FastAPI

from agentos.agent import Agent
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.os.policy.default_scopes import default_scopes
from agentos.os.policy.policy import Policy
from benchmarks import machine

CALLS: Final = 2_000
SCOPES: Final = {
    "GET /agents": ["app:read"],
    "GET /agents/*": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],
}
ASKED: Final = (
    (frozenset({"app:read"}), "GET", "/agents"),
    (frozenset({"app:run", "app:execute"}), "POST", "/agents/research-agent/runs"),
    (frozenset({"app:run"}), "POST", "/agents/research-agent/runs"),
    (frozenset({"sessions:read", "memories:read"}), "GET", "/sessions/6f1c"),
    (frozenset({"sessions:*:read"}), "GET", "/sessions/6f1c/runs/77"),
    (frozenset[str](), "DELETE", "/memories/6f1c"),
    (frozenset({"app:read"}), "GET", "/no/such/route"),
)
"""Granted and denied, by the operator's map, by the defaults, and by neither."""


def decision_seconds() -> float:
    """One decision, on the average of `ASKED`."""
    policy = Policy(operator=SCOPES, defaults=default_scopes(["agents"]))
    asked = list(islice(cycle(ASKED), CALLS * 5))
    began = process_time()
    for scopes, method, path in asked:
        policy.decide(scopes, method, path)
    return (process_time() - began) / len(asked)


def served(*, is_guarded: bool) -> FastAPI:
    """An app with one agent, behind tokens or not."""
    agent = Agent(id="research-agent", name="Research Agent", model=OfflineModel())
    app = AgentOS(id="bench", agents=[agent]).get_app()
    if is_guarded:
        app.add_middleware(
            JWTMiddleware, verification_keys=[machine.SECRET], algorithm="HS256", scope_mappings=SCOPES
        )
    return app


async def request_seconds(app: FastAPI, token: str) -> float:
    """One `GET /agents`, without a socket."""
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.add(message.get("status", 200))

    began = process_time()
    for _ in range(CALLS):
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/agents",
            "raw_path": b"/agents",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
            "asgi": {"version": "3.0"},
        }
        await app(scope, receive, send)
    spent = process_time() - began
    if statuses != {200}:
        raise RuntimeError(f"GET /agents answered {statuses}.")
    return spent / CALLS
