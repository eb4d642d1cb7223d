"""A small app of the user's own, guarded, and clients for it."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import PlainTextResponse

from agentos.os.middleware import JWTMiddleware, TrailingSlash
from agentos.os.principal import access_of
from tests.os.tokens.signer import SECRET


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/")
    @router.get("/health")
    async def public():
        return "anybody"

    @router.get("/config")
    @router.get("/agents/{agent_id}")
    @router.get("/sessions")
    @router.post("/agents/{agent_id}/runs")
    @router.get("/agents/{agent_id}/runs/{run_id}")
    async def protected(request: Request):
        return request.url.path

    @router.get("/agents")
    async def agents(request: Request):
        ids = access_of(request.scope).listed("agents")
        return None if ids is None else sorted(ids)

    @router.get("/me")
    async def me(request: Request):
        state = request.state
        return {
            "user_id": state.user_id,
            "session_id": state.session_id,
            "scopes": sorted(state.scopes),
            "authenticated": state.authenticated,
            "audience": state.audience,
            "authorization_enabled": state.authorization_enabled,
            "claims": dict(state.claims),
        }

    return router


def bare_app() -> FastAPI:
    """Unguarded."""
    app = FastAPI()
    app.include_router(routes())
    return app


def guarded(app: FastAPI | None = None, **options: Any) -> FastAPI:
    """The app behind the middleware, as an example would add it."""
    app = app or bare_app()
    app.add_middleware(TrailingSlash)
    app.add_middleware(JWTMiddleware, **{"verification_keys": [SECRET], "algorithm": "HS256", **options})
    return app


def client(app: Any, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **options), base_url="http://testserver")


async def plain(scope, receive, send) -> None:
    """An app that isn't of Starlette's making."""
    await PlainTextResponse("plain")(scope, receive, send)
