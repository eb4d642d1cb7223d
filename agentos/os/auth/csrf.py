"""Cross-origin requests: which pages may read responses, and which may not use a browser's cookies."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Scope

from agentos.os.http.lookup import app_of


def readable(scope: Scope, answer: ASGIApp) -> ASGIApp:
    """`answer` with the CORS headers that the app's own middleware would add."""
    return _cors(scope, answer) or answer


def is_foreign(scope: Scope) -> bool:
    """Whether a browser sends this for a page that is neither on this host nor an allowed origin.

    An app that allows every origin (`*`) names none: pages may read, but not use cookies to change data.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "cross-site"
    if _host(origin) == headers.get("host"):
        return False
    cors = _cors(scope, _nothing)
    return cors is None or cors.allow_all_origins or not cors.is_allowed_origin(origin)


def _cors(scope: Scope, answer: ASGIApp) -> CORSMiddleware | None:
    app = app_of(scope)
    for middleware in app.user_middleware if app is not None else ():
        if middleware.cls is CORSMiddleware:
            return cast("Callable[..., CORSMiddleware]", CORSMiddleware)(
                answer, *middleware.args, **middleware.kwargs
            )
    return None


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


async def _nothing(*_: object) -> None:
    pass
