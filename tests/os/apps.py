"""Servers for tests: agents that answer as told, callers with tokens, server-sent events as data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import uvicorn
from fastapi import FastAPI

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.kinds import Kind
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.os.middleware import JWTMiddleware
from agentos.run.events import RunContent, RunEvent
from agentos.run.messages import FunctionCall, ToolCall
from agentos.run.runnable import RunContext
from agentos.runner.local.methods import RunMethods
from agentos.runner.settings import RunSettings

SECRET = "a secret that only the tests know, long enough for HS256"
ADMIN = "agent_os:admin"
USER_SCOPES = [
    "agents:read",
    "agents:run",
    "sessions:read",
    "sessions:write",
    "sessions:delete",
    "memories:read",
    "memories:write",
    "memories:delete",
    "approvals:read",
    "approvals:write",
    "approvals:delete",
    "config:read",
]


def agent(answer: Any = "hello", *, called: str = "web", db: Db | None = None, **settings: Any) -> Agent:
    """An agent whose model answers with `answer`, or with what it returns if it is a function."""
    function = answer if callable(answer) else lambda request: answer
    return Agent(id=called, name=called.title(), model=FunctionModel(function), db=db, **settings)


@dataclass
class Played(RunMethods):
    """A runnable of one's own: its run is what `play` yields."""

    play: Callable[[RunContext], AsyncGenerator[RunEvent]]
    id: str = "played"
    name: str | None = None
    db: Db | None = None
    kind: Kind = "agent"
    member_events: bool = True

    @property
    def settings(self) -> RunSettings:
        return RunSettings(db=self.db, member_events=self.member_events)

    def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        return self.play(context)


def team(*members: Any, called: str = "desk", db: Db | None = None, member_events: bool = True) -> Played:
    """A team that gives each member the message, one after another, and answers with what they say."""

    async def ask_all(context: RunContext) -> AsyncGenerator[RunEvent]:
        yield RunContent(content="I ask.")
        given = context.run.input.input_content
        answers = [await context.child(member, given, name=member.id) for member in members]
        context.run.content = (
            None if context.run.requirements else ", ".join(each.content for each in answers)
        )

    return Played(ask_all, id=called, name=called.title(), db=db, kind="team", member_events=member_events)


class Gated:
    """A model that says `one`, and `two` once the gate is open."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.waits = asyncio.Event()

    async def answer(self, request):
        yield "one"
        self.waits.set()
        await self.gate.wait()
        yield "two"


@asynccontextmanager
async def standing(client: httpx.AsyncClient, gated: Gated, **fields: Any) -> AsyncIterator[tuple[str, Any]]:
    """A run of session s1 that stands at its gate: its id, and the task of the call that started it."""
    runs = "/agents/web/runs"
    call = asyncio.create_task(client.post(runs, json={"message": "hi", "session_id": "s1", **fields}))
    await gated.waits.wait()
    gated.waits.clear()
    *_, run = (await client.get(f"{runs}?session_id=s1")).json()
    yield run["run_id"], call
    gated.gate.set()
    await call


def calls_once(name: str, **arguments: Any) -> Callable[[ModelRequest], ModelResponse]:
    """A model that calls the tool when it is asked something, and then says what that answered."""

    def answer(request: ModelRequest) -> ModelResponse:
        last = request.messages[-1]
        if last.role == "tool":
            return ModelResponse(content=f"It says: {last.content}")
        function = FunctionCall(name=name, arguments=json.dumps(arguments))
        return ModelResponse(tool_calls=[ToolCall(id=f"call-{uuid4().hex}", function=function)])

    return answer


def secured(app: FastAPI, **options: Any) -> FastAPI:
    """The app behind tokens and the default scopes."""
    app.add_middleware(
        JWTMiddleware, verification_keys=[SECRET], algorithm="HS256", authorization=True, **options
    )
    return app


def bearer(sub: str | None, *scopes: str, **claims: Any) -> dict[str, str]:
    """Headers of a caller; without scopes, one who may do what users may."""
    payload = {"scopes": list(scopes or USER_SCOPES), "exp": int(time()) + 3600, **claims}
    if sub is not None:
        payload["sub"] = sub
    return {"Authorization": f"Bearer {jwt.encode(payload, SECRET, 'HS256')}"}


@asynccontextmanager
async def serving(app: FastAPI, **client: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The app, started, and a client of it. A crash is an answer, as it is under a real server."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    caller = httpx.AsyncClient(transport=transport, base_url="http://server", **client)
    async with app.router.lifespan_context(app), caller:
        yield caller


@dataclass
class Frame:
    id: int
    event: str
    data: dict[str, Any]


def frames(text: str) -> list[Frame]:
    """Server-sent events, comments left out."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append(Frame(int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


class _Listening(uvicorn.Server):
    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, lifespan="on", log_level="warning"))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[int]:
    """The app on a port of this machine, for what only sockets show."""
    server = _Listening(app)
    task = asyncio.create_task(server.serve())
    await server.ready.wait()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
