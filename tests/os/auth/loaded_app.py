"""An app with a route of every sort, ours and the user's, behind one scope map; and how to knock at each."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from tests.os.apps import agent
from tests.os.auth.guarded_app import client, plain
from tests.os.tokens.signer import SECRET, token

ADMIN = "my:admin"
MAP = {
    "GET /mine": ["mine:read"],
    "POST /mine": ["mine:read", "mine:write"],
    "GET /shop/items/{item}": [],
    "GET /shop/*": ["shop:read"],
    "GET /live/{room}": ["live:join", "live:talk"],
    "* /sub/*": ["sub:use"],
    "GET /sub/deep/*": ["sub:deep"],
    "GET /static/*": ["static:read"],
    "GET /late": ["late:read"],
    "* /classic": ["classic:use"],
    "POST /agents/*/runs": ["app:run", "app:execute"],
    "GET /sessions": ["app:sessions"],
}


def users_app() -> FastAPI:
    """Unguarded, without any of ours."""
    app = FastAPI()
    app.get("/mine")(lambda: "mine")
    app.post("/mine")(lambda: "mine")
    app.get("/forgotten")(lambda: "no entry covers this")
    router = APIRouter(prefix="/items")
    router.get("/{item}")(lambda item: item)
    router.get("")(lambda: "items")
    shop = APIRouter(prefix="/shop")
    shop.include_router(router)
    app.include_router(shop)
    app.websocket("/live/{room}")(_live)
    sub = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    sub.get("/shallow")(lambda: "shallow")
    sub.get("/deep/{path:path}")(lambda path: path)
    app.mount("/sub", sub)
    app.mount("/static", plain)
    app.router.routes.append(Route("/classic", lambda request: PlainTextResponse("classic")))
    return app


async def _live(socket: WebSocket, room: str) -> None:
    await socket.accept()
    await socket.close()


def loaded_app(**options: Any) -> FastAPI:
    """All of it, guarded, with a route that came when the app had begun to serve."""
    app = AgentOS(agents=[agent()], base_app=users_app()).get_app()
    app.add_middleware(
        JWTMiddleware,
        **{
            "verification_keys": [SECRET],
            "algorithm": "HS256",
            "scope_mappings": MAP,
            "admin_scope": ADMIN,
            **options,
        },
    )
    app.middleware_stack = app.build_middleware_stack()
    app.get("/late")(lambda: "late")
    return app


async def knock(app: Starlette, kind: str, method: str, path: str, bearer: str | None) -> int:
    """The status of the answer; a WebSocket that is accepted answers 101, one that is refused 403."""
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    if kind == "websocket":
        return await _opened(app, path, headers)
    async with client(app, raise_app_exceptions=False) as http:
        body = {} if method in {"GET", "HEAD"} else {"json": {}}
        return (await http.request(method, path, headers=headers, **body)).status_code


async def _opened(app: Starlette, path: str, headers: dict[str, str]) -> int:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": path, "headers": raw, "query_string": b"", "subprotocols": []}
    await app(scope, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return 101
    assert sent[0] == {"type": "websocket.close", "code": 1008, "reason": ""}
    return 403


async def explained(http: httpx.AsyncClient, method: str, path: str, scopes: str) -> dict[str, Any]:
    """What the app says that a holder of `scopes` is answered; asked as an admin."""
    answer = await http.get(
        "/authz/explain",
        params={"method": method, "path": path, "scopes": scopes},
        headers={"Authorization": f"Bearer {token(ADMIN)}"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()
