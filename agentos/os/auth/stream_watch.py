"""Ends event streams that outlive the token they were opened with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Message, Send

from agentos.errors import AgentOSError
from agentos.run.text import json_of

logger = logging.getLogger("agentos.auth")

RECHECK_SECONDS: Final = 5.0
"""How often the token of an open stream is checked again."""


class StreamWatch:
    """Watches one response. `refusal` says why the caller may not have it any longer, or is None.

    Used as `async with`: what runs inside sends with `send`. If it is an event stream and the caller is
    refused meanwhile, it is cancelled, and a last event `StreamClosed` says why.
    """

    def __init__(self, send: Send, refusal: Callable[[], Awaitable[AgentOSError | None]]) -> None:
        self._send = send
        self._refusal = refusal
        self._refused: AgentOSError | None = None
        self._limit = asyncio.timeout(None)
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> StreamWatch:
        await self._limit.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        try:
            await self._limit.__aexit__(*raised)  # type: ignore[arg-type]
        except TimeoutError:
            if self._refused is None:
                raise
            await self._close(self._refused)

    async def send(self, message: Message) -> None:
        """ASGI's `send`."""
        if message["type"] == "http.response.start" and _is_stream(message):
            self._watching = asyncio.create_task(self._watch(), name="stream watch")
        await self._send(message)

    async def _watch(self) -> None:
        while self._refused is None:
            await asyncio.sleep(RECHECK_SECONDS)
            self._refused = await self._refusal()
        self._limit.reschedule(asyncio.get_running_loop().time())

    async def _close(self, why: AgentOSError) -> None:
        logger.info("Closing a stream: %s", why)
        told = json_of({"event": "StreamClosed", "code": why.code, "detail": str(why)})
        frame = f"event: StreamClosed\ndata: {told}\n\n"
        await self._send({"type": "http.response.body", "body": frame.encode(), "more_body": False})


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in message["headers"]
    )
