"""Ends event streams that outlive the token they were opened with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.types import Message, Send

from agentos.errors import AgentOSError
from agentos.run.wire import closing_frame

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
        self._is_over = False
        self._limit = asyncio.timeout(None)
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> StreamWatch:
        await self._limit.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> bool:
        await self._end_watch()
        try:
            await self._limit.__aexit__(*raised)  # type: ignore[arg-type]
        except TimeoutError:
            if self._refused is None:
                raise
            await self._close(self._refused)
            return True
        return False

    async def send(self, message: Message) -> None:
        """ASGI's `send`."""
        is_body = message["type"] == "http.response.body"
        if message["type"] == "http.response.start" and _is_stream(message):
            self._watching = asyncio.create_task(self._watch(), name="stream watch")
        elif is_body and self._refused is not None:
            return  # the app goes on though it was cancelled
        elif is_body and not message.get("more_body"):
            self._is_over = True
            await self._end_watch()
        await self._send(message)

    async def _end_watch(self) -> None:
        if self._watching is not None and not self._watching.done():
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        while self._refused is None:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                self._refused = await self._refusal()
            except Exception:
                logger.exception("Can't check the token of an open stream, trying again")
        self._limit.reschedule(asyncio.get_running_loop().time())

    async def _close(self, why: AgentOSError) -> None:
        logger.info("Closing a stream: %s", why)
        if self._is_over:
            return
        with suppress(TimeoutError):  # a client that reads nothing
            async with asyncio.timeout(RECHECK_SECONDS):
                await self._send(
                    {"type": "http.response.body", "body": closing_frame(why).encode(), "more_body": False}
                )


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in message.get("headers", ())
    )
