"""Cross-origin requests: which pages may read responses, and which may not use a browser's cookies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Scope

from agentos.os.http.lookup import app_of

_PORTS: Final = {"http": 80, "https": 443}
_WEB: Final = {"ws": "http", "wss": "https"}
"""The scheme of the page that opens a WebSocket on its own server."""


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
    own = _normalized(f"{_WEB.get(scope['scheme'], scope['scheme'])}://{headers.get('host', '')}")
    if own is not None and _normalized(origin) == own:
        return False
    cors = _cors(scope, _nothing)
    return cors is None or cors.allow_all_origins or not cors.is_allowed_origin(origin)


def judged_method(scope: Scope) -> str:
    """The method that the policy decides about. OPTIONS passes only as a CORS preflight, or else is a GET."""
    if scope["type"] != "http":
        return "GET"
    headers = Headers(scope=scope)
    is_preflight = "origin" in headers and "access-control-request-method" in headers
    return "GET" if scope["method"] == "OPTIONS" and not is_preflight else scope["method"]


def _cors(scope: Scope, answer: ASGIApp) -> CORSMiddleware | None:
    app = app_of(scope)
    for middleware in app.user_middleware if app is not None else ():
        if middleware.cls is CORSMiddleware:
            return cast("Callable[..., CORSMiddleware]", CORSMiddleware)(
                answer, *middleware.args, **middleware.kwargs
            )
    return None


def _normalized(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port (RFC 6454 §4); None if it is no origin of a web page, which equals none."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


async def _nothing(*_: object) -> None:
    pass
