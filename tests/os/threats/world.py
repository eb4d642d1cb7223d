"""The servers under attack, with two users' rows in them: ann attacks, bob owns what she is after."""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, WebSocket

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.run.events import RunContent, RunEvent
from agentos.run.messages import ToolExecution
from agentos.run.runnable import RunContext
from tests.os.apps import ADMIN, USER_SCOPES, Played, agent
from tests.os.threats import forged_tokens, raw

MAX_BODY = 300_000
PAGE = "https://page.example"
"""The one origin that may act with cookies."""
SECRET = "what the exception of a crash says"
BOBS = "bobs private words"

Fields = dict[str, Any]


class World:
    """Two servers, on a thread of their own."""

    def __init__(self, database: str, folder: Path) -> None:
        self.os = _Server(_os(database, folder))
        """Agents and rows, RS256 by `kid`, tokens in the header."""
        self.site = _Server(_site())
        """No rows, a public key and a secret side by side, tokens in the header or in a cookie."""
        self._thread = threading.Thread(target=self._serve, name="threatened")

    @contextmanager
    def serving(self) -> Iterator[World]:
        self._thread.start()
        for server in (self.os, self.site):
            assert server.ready.wait(60)
        try:
            yield self
        finally:
            self.os.should_exit = self.site.should_exit = True
            self._thread.join(60)

    def _serve(self) -> None:
        async def both() -> None:
            await asyncio.gather(self.os.serve(), self.site.serve())

        asyncio.run(both())

    def ask(
        self,
        method: str,
        target: str,
        token: str = "",
        *,
        headers: raw.Headers = (),
        body: Any = b"",
        until: bytes | None = None,
    ) -> raw.Answer:
        """One request to `os`; a body that isn't bytes goes as JSON."""
        given = [("Authorization", f"Bearer {token}")] if token else []
        if not isinstance(body, bytes):
            body, given = json.dumps(body).encode(), [*given, ("Content-Type", "application/json")]
        return raw.exchange(self.os.port, raw.request(method, target, [*given, *headers], body), until=until)

    def as_user(self, name: str, method: str, target: str, **sent: Any) -> raw.Answer:
        """The same, by a user who may do what users may; `root` is an admin."""
        scopes = [ADMIN] if name == "root" else USER_SCOPES
        return self.ask(method, target, forged_tokens.token(*scopes, sub=name), **sent)

    def session(self, user: str, **fields: Any) -> str:
        """A new session of the user's: its id."""
        made = self.as_user(
            user, "POST", "/sessions", body={"session_name": _words(user), "agent_id": "web", **fields}
        )
        assert made.status == 201, made.text
        return made.json["session_id"]

    def run(self, user: str) -> Fields:
        """A run of the user's that is over."""
        body = {"message": _words(user), "session_id": f"s-{uuid4()}", "stream": False}
        made = self.as_user(user, "POST", "/agents/web/runs", body=body)
        assert made.status == 200, made.text
        return made.json

    def attached(self, user: str) -> Fields:
        """A document that the user sent with a message: its key, and its session."""
        content = _words(user).encode()
        document = {"content": b64encode(content).decode(), "mime_type": "text/plain"}
        body = {"message": "Hi", "session_id": f"s-{uuid4()}", "stream": False, "input_files": [document]}
        made = self.as_user(user, "POST", "/agents/web/runs", body=body)
        assert made.status == 200, made.text
        return {"session_id": body["session_id"], "key": sha256(content).hexdigest()}

    def nested_run(self, user: str, *, by: str = "leader") -> Fields:
        """A run of the user's that is a part of another one, which is over, or which waits: its row."""
        session_id = f"s-{uuid4()}"
        body = {"message": "go", "session_id": session_id}
        made = self.as_user(user, "POST", f"/agents/{by}/runs", body=body)
        assert made.status == 200, made.text
        listed = self.as_user(user, "GET", f"/sessions/{session_id}/runs?nested=true").json
        (found,) = [each for each in listed if each.get("parent_run_id")]
        return {**found, "session_id": session_id}

    def live_run(self, user: str) -> Fields:
        """A run of the user's that goes on until the server ends: its first event."""
        body = {"message": _words(user), "session_id": f"s-{uuid4()}"}
        made = self.as_user(user, "POST", "/agents/endless/runs", body=body, until=b"data: ")
        return json.loads(made.text.partition("data: ")[2])

    def memory(self, user: str, **fields: Any) -> str:
        """A new memory about the user: its id."""
        made = self.as_user(
            user, "POST", "/memories", body={"memory": _words(user), "topics": ["secret"], **fields}
        )
        assert made.status == 200, made.text
        return made.json["memory_id"]


def _words(user: str) -> str:
    return BOBS if user == "bob" else f"what {user} says"


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, lifespan="on", log_config=None))
        self.ready = threading.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @property
    def port(self) -> int:
        return self.servers[0].sockets[0].getsockname()[1]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # those are for the main thread


def _os(database: str, folder: Path) -> FastAPI:
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [forged_tokens.jwk()]}))
    app = AgentOS(
        id=forged_tokens.AUDIENCE,
        agents=[
            agent(),
            agent(called="other"),
            Played(_endless, id="endless"),
            Played(_delegating, id="leader"),
            Played(_telling, id="member"),
            Played(_pausing, id="buyer"),
        ],
        db=PostgresDb(database, pool_size=4),
        max_body_bytes=MAX_BODY,
        shutdown_grace=0.1,
    ).get_app()
    _add_routes(app)
    app.add_middleware(
        JWTMiddleware,
        jwks_file=jwks,
        issuer=forged_tokens.ISSUER,
        audience=forged_tokens.AUDIENCE,
        verify_audience=True,
        require_exp=True,
        failed_logins_per_minute=0,
        authorization=True,
        scope_mappings={
            "GET /crash": [],
            "GET /socket": ["socket:open"],
            "GET /open/*": [],
            "GET /whoami": [],
        },
    )
    return app


def _site() -> FastAPI:
    app = AgentOS(agents=[agent()], cors_allowed_origins=[PAGE], shutdown_grace=0.1).get_app()
    _add_routes(app)
    app.add_middleware(
        JWTMiddleware,
        verification_keys=[forged_tokens.PUBLIC.decode(), SITE_SECRET],
        algorithm=["RS256", "HS256"],
        token_source="both",
        failed_logins_per_minute=0,
        scope_mappings={"GET /socket": ["socket:open"]},
    )
    return app


SITE_SECRET = "a secret of the site's own, long enough for any hash there is"


def _add_routes(app: FastAPI) -> None:
    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    @app.websocket("/socket")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(BOBS)
        await socket.close()


async def _endless(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content=BOBS)
    await asyncio.Event().wait()


async def _delegating(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content="I ask.")
    await context.child(Played(_telling, id="member"), "go", name="member")
    context.run.content = "done"


async def _pausing(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content="I ask.")
    await context.child(Played(_paying, id="payer"), "pay", name="payer")
    context.run.content = None if context.run.requirements else "done"


async def _telling(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content=BOBS)
    context.run.content = BOBS


async def _paying(context: RunContext) -> AsyncGenerator[RunEvent]:
    yield RunContent(content=BOBS)
    if not context.run.tools:
        wanted = {"tool_name": "pay", "tool_args": {"note": BOBS}, "requires_confirmation": True}
        context.run.tools = [ToolExecution(tool_call_id="call-1", **wanted)]
    else:
        context.run.content = BOBS
