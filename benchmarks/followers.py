"""Following runs from another process than the one that executes them, as raw bytes."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import cast

from benchmarks.load import TIMEOUT, get, post

_RUN = re.compile(rb'"run_id":"([^"]+)"')
_SEQ = re.compile(rb"^id: (\d+)\r?$", re.MULTILINE)
_TICK = re.compile(rb'"content":"(\d+) "')


@dataclass(slots=True)
class Followed:
    """What came of one run."""

    latencies: list[float] = field(default_factory=list[float])
    """Milliseconds from the model to the follower, of each token that came."""
    is_whole: bool = False
    """Whether the events' numbers are 1, 2, 3 … up to a last one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is wanted."""

    path: str
    token: str
    message: str

    @property
    def start(self) -> bytes:
        """The request."""
        return post(self.path, self.token, f"message={self.message}&stream=true")


async def follow(executing: int, following: int, asked: Asked, *, streams: int) -> list[Followed]:
    """Starts runs at one port, and follows each at another; the callers who started them listen too."""

    async def followed() -> Followed:
        caller = await Stream.opened(executing, asked.start)
        run_id = await caller.run_id
        follower = await Stream.opened(following, get(f"{asked.path}/{run_id}/events", asked.token))
        await asyncio.gather(caller.done, follower.done)
        return follower.followed

    async with asyncio.timeout(TIMEOUT):
        return await asyncio.gather(*(followed() for _ in range(streams)))


async def begun(port: int, asked: Asked, *, streams: int) -> list[Stream]:
    """Starts runs; returns once all have begun."""
    async with asyncio.timeout(TIMEOUT):
        callers = [await Stream.opened(port, asked.start) for _ in range(streams)]
        await asyncio.gather(*(caller.run_id for caller in callers))
    return callers


async def ended(streams: list[Stream]) -> None:
    """Returns once all have ended."""
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(stream.done for stream in streams))


class Stream(asyncio.Protocol):
    """One answer in server-sent events, looked at as it comes."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.run_id: asyncio.Future[str] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.followed = Followed()
        self._request = request
        self._received = bytearray()
        self._seen = 0

    @classmethod
    async def opened(cls, port: int, request: bytes) -> Stream:
        """Asks for it."""
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: cls(request), "127.0.0.1", port)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = monotonic_ns()
        self._received += data
        end = self._received.rfind(b"\n\n") + 2
        if end > self._seen:
            for tick in _TICK.finditer(self._received, self._seen, end):
                self.followed.latencies.append((now - int(tick[1])) / 1e6)
            self._seen = end
        if not self.run_id.done() and (found := _RUN.search(self._received)):
            self.run_id.set_result(found[1].decode())
        if self._received.endswith(b"\r\n0\r\n\r\n"):
            seqs = [int(seq[1]) for seq in _SEQ.finditer(self._received)]
            self.followed.is_whole = seqs == list(range(1, len(seqs) + 1))
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        error = RuntimeError(f"Broken off after {bytes(self._received[-200:])!r}")
        for future in (self.run_id, self.done):
            with suppress(asyncio.InvalidStateError):
                future.set_exception(error)
