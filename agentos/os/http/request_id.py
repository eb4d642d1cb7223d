"""The id of each request, in the response and in the audit: the caller's, if it is valid."""

from __future__ import annotations

import re
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Request-ID"

_ID: Final = "agentos.request_id"
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestId:
    """Adds `X-Request-ID` to responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._app(scope, receive, identified(scope, send))


def identified(scope: Scope, send: Send) -> Send:
    """A `send` that adds the request's id to the response, unless an outer middleware does so."""
    if _ID in scope or scope["type"] != "http":
        return send
    id_of(scope)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault(HEADER, id_of(scope))
        await send(message)

    return sending


def id_of(scope: Scope) -> str:
    """The request's id; for a WebSocket, that of its handshake."""
    if _ID not in scope:
        sent = Headers(scope=scope).get(HEADER, "")
        scope[_ID] = sent if _SANE.fullmatch(sent) else uuid4().hex
    return scope[_ID]
