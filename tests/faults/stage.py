"""Where the runs of other processes wait to be let go, so that a kill hits one exact place.

`programs/points.py` connects from every place; the connection ends with the process, or with whatever was
waiting there.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60
"""Seconds for anything that must happen; the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run has come to a place."""

    label: str
    place: str
    pid: int


class Stage:
    """All places of all runs. What isn't held goes on, once `meanwhile(arrival, times)` is done, at once."""

    def __init__(self, meanwhile: Callable[[Arrival, int], Awaitable[None]] | None = None) -> None:
        self.arrivals: list[Arrival] = []
        self.left: list[Arrival] = []
        """Those that weren't let go: their process died, or somebody ended them."""
        self._meanwhile = meanwhile
        self._takes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._held: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()
        self._server: asyncio.Server
        self.port = 0

    async def __aenter__(self) -> Stage:
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._held.clear()
        self._change()

    def hold(self, label: str, *places: str) -> None:
        """Whoever comes there waits, until it is let go."""
        self._held |= {(label, place) for place in places}

    def let_go(self, label: str, *places: str) -> None:
        """Whoever waits there goes on, and whoever comes later doesn't wait; without places, everywhere."""
        self._held -= {each for each in self._held if each[0] == label and (not places or each[1] in places)}
        self._change()

    def held(self, label: str) -> list[str]:
        """Where the run is held."""
        return [place for each, place in self._held if each == label]

    def takes(self, label: str) -> Counter[str]:
        """How often the run came to each of its places."""
        return self._takes[label]

    async def reached(self, label: str, place: str, times: int = 1) -> None:
        """Returns once the run has come there so often."""
        await self.until(lambda: self.takes(label)[place] >= times, f"{label!r} at {place!r}")

    async def until(self, claim: Callable[[], T], what: str) -> T:
        """What `claim` says, once it is true."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (found := claim()):
                    changed = self._changed
                    await changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE} s: {what}; came to: {self.arrivals}") from None

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if not line:  # killed before it could say a word
            writer.close()
            return
        label, place, pid = json.loads(line)
        arrival = Arrival(label, place, pid)
        self.arrivals.append(arrival)
        self._takes[label][place] += 1
        take = self._takes[label][place]
        self._change()
        gone = asyncio.ensure_future(reader.read())
        if self._meanwhile is not None:
            await self._meanwhile(arrival, take)
        while (label, place) in self._held and not gone.done():
            waiting = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if gone.done():
            self.left.append(arrival)
            self._change()
        else:
            gone.cancel()
            with suppress(ConnectionError):
                writer.write(b"%d\n" % take)
                await writer.drain()
        writer.close()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
