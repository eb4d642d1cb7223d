"""Limits request bodies before they fill the memory, and JSON in them before it is parsed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentos.errors import PayloadTooLargeError
from agentos.os.http.pace import announced
from agentos.os.http.problems import answer
from agentos.run.bounds import JsonLimits

_QUICK: Final = 64 * 1024
"""Bytes of JSON that are checked in the event loop."""


class _TooLargeError(PayloadTooLargeError):
    """Stops whatever reads the body. Its response is discarded."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The body is larger than {max_bytes} bytes")


class BodyLimit:
    """Responds 413 as soon as a body is known to exceed `max_bytes`, from its header or while it is read."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif announced(scope) > self._max_bytes:
            await self._refuse(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        is_answered = False

        async def counting() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._max_bytes:
                    raise _TooLargeError(self._max_bytes)
            return message

        async def answering(message: Message) -> None:
            """Passes on a response that started in time; replaces the one to a body that is too large."""
            nonlocal is_answered
            if is_answered or size <= self._max_bytes:
                is_answered = True
                await send(message)

        with suppress(_TooLargeError):
            await self._app(scope, counting, answering)
        if size > self._max_bytes and not is_answered:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(_TooLargeError(self._max_bytes))(scope, receive, send)


def json_limits(request: Request) -> JsonLimits:
    """The server's limits on JSON from callers."""
    return request.app.state.agentos.json_limits


async def check_json(request: Request, text: bytes, *, media: bool = False) -> None:
    """Checks a caller's JSON against the limits of the server; see `JsonLimits.check`."""
    limits = json_limits(request)
    if len(text) <= _QUICK:
        limits.check(text, media=media)
    else:
        await asyncio.to_thread(limits.check, text, media=media)
