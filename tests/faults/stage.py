"""Where the runs of other processes wait to be let go, so that a kill hits one exact place.

`programs/points.py` connects from every place; the connection ends with the process, or with whatever was
waiting there.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 25
"""Seconds for anything that must happen; the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run has come to a place."""

    label: str
    place: str
    pid: int


class Stage:
    """All places of all runs. What isn't held goes on at once."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.left: list[Arrival] = []
        """Those that weren't let go: their process died, or somebody ended them."""
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
        return Counter(each.place for each in self.arrivals if each.label == label)

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
        label, place, pid = json.loads(await reader.readline())
        arrival = Arrival(label, place, pid)
        self.arrivals.append(arrival)
        take = self.takes(label)[place]
        self._change()
        gone = asyncio.ensure_future(reader.read())
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
