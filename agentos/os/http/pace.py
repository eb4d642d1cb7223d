"""Paces large request bodies, so that one caller's don't slow down everybody else's requests.

Parsing, checking and storing a megabyte keeps a process busy for about 70 ms, and others wait. So while
others use the server, one caller's large bodies are read at a rate that leaves almost all its time to them.
They take turns twice: before they are read, and once they have arrived. Otherwise a caller could withhold the
last byte of many, and have all of them parsed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Scope

from agentos.errors import TooManyBytesError
from agentos.os.http.rate_limit import address_of
from agentos.os.principal import access_of

BYTES_PER_SECOND: Final = 512 * 1024
"""Of JSON and forms, for each caller while others use the server."""
UPLOADED: Final = 8
"""How many times as fast uploads are read, which cost less."""
SMALL: Final = 64 * 1024
"""Bytes of a body that are never paced."""
MAX_SECONDS: Final = 30.0
"""Longest time that a body waits for its turn. If the wait is longer already, the next one is refused."""
_UNKNOWN: Final = 16 * 1024 * 1024
"""Bytes assumed for a large body of unknown size, and again each time it exceeds what was assumed."""
_ACTIVE_SECONDS: Final = 60.0
"""After a caller's last request, how long it counts as using the server."""
_MANY: Final = 1000
"""Remembered turns. At this number, past ones are dropped."""


class Pace:
    """The turns of large bodies in this process, by caller. `clock` is in seconds."""

    def __init__(self, rate: int = BYTES_PER_SECOND, *, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._latest: tuple[str, float] = ("", -_ACTIVE_SECONDS)
        """Who called last, and when."""
        self._other = self._latest
        """The same of whoever called before them."""
        self._next: dict[tuple[str, bool], float] = {}
        """When the caller's next large body may be read, or used if it has arrived."""

    def wait(self, caller: str, size: int, *, upload: bool = False, arrived: bool = False) -> float:
        """Seconds to wait before `size` bytes of a body are read, or used if they have `arrived`.

        TooManyBytesError if it would be too many. Called for each request, also those without a body: they
        tell whether others use the server.
        """
        now = self._clock()
        if caller != self._latest[0]:
            self._other = self._latest
        self._latest = (caller, now)
        if size <= SMALL or now - self._other[1] > _ACTIVE_SECONDS:
            return 0.0
        lane = caller, arrived
        turn = max(now, self._next.get(lane, now))
        if turn - now > MAX_SECONDS:
            raise TooManyBytesError(self._rate, retry_after=int(turn - now))
        if len(self._next) >= _MANY:
            self._next = {each: when for each, when in self._next.items() if when > now}
        self._next[lane] = turn + size / (self._rate * (UPLOADED if upload else 1))
        return turn - now


class PacedBody:
    """Receives the body of a request (ASGI) in its caller's turn."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._said = announced(request.scope)
        self._size = 0
        self._is_upload = request.headers.get("content-type", "").lower().startswith("multipart/")

    async def begin(self) -> None:
        """Waits until the body may be read."""
        await in_turn(self._request, self._said, upload=self._is_upload)

    async def __call__(self) -> Message:
        """The next message, once its turn has come. TooManyBytesError."""
        message = await self._request.receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > max(SMALL, self._said):
                self._said += _UNKNOWN
                await in_turn(self._request, _UNKNOWN, upload=self._is_upload)
            if not message.get("more_body", False):
                await in_turn(self._request, self._size, upload=self._is_upload, arrived=True)
        return message


async def in_turn(request: Request, size: int, *, upload: bool = False, arrived: bool = False) -> None:
    """Waits until `size` bytes of the request's body may be read, or used; see `Pace.wait`.

    An anonymous request without a body, such as a probe of `/health`, doesn't count as use of the server.
    """
    if not size and access_of(request.scope).principal.user_id is None:
        return
    pace: Pace = request.app.state.agentos.pace
    if seconds := pace.wait(caller_of(request), size, upload=upload, arrived=arrived):
        await asyncio.sleep(seconds)


def caller_of(request: Request) -> str:
    """The user of a request, or its address if the user is unknown."""
    user_id = access_of(request.scope).principal.user_id
    return f"address {address_of(request.scope)}" if user_id is None else f"user {user_id}"


def announced(scope: Scope) -> int:
    """The size of the body as its header says it, in bytes; 0 if it doesn't."""
    length = Headers(scope=scope).get("content-length", "").strip().lstrip("0")  # servers leave both in
    return int(length[:19]) if length.isascii() and length.isdecimal() else 0
