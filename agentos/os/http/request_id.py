"""A name for each request, in the answer and in the audit: the caller's, if it sends a sane one."""

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
    """Sends `X-Request-ID` back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._app(scope, receive, identified(scope, send))


def identified(scope: Scope, send: Send) -> Send:
    """`send`, with the request's id in the answer's head; as it is if somebody further out sees to that."""
    if _ID in scope or scope["type"] != "http":
        return send
    id_of(scope)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault(HEADER, id_of(scope))
        await send(message)

    return sending


def id_of(scope: Scope) -> str:
    """The request's id; of a WebSocket, its handshake's."""
    if _ID not in scope:
        sent = Headers(scope=scope).get(HEADER, "")
        scope[_ID] = sent if _SANE.fullmatch(sent) else uuid4().hex
    return scope[_ID]
