"""Clients that follow runs, and what their frames say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.stage import PATIENCE

TERMINAL = ("RunCompleted", "RunError", "RunCancelled")


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event, and its bytes."""

    id: int
    event: str
    data: dict[str, Any]
    raw: str

    @property
    def what(self) -> str:
        """The event without the kind of its runnable."""
        return self.event.removeprefix("Team")


class Follower:
    """A client that reads a stream as it comes, in a task of its own."""

    def __init__(self, client: httpx.AsyncClient, method: str, url: str, **request: Any) -> None:
        self.frames: list[Frame] = []
        self.status = 0
        self.headers = httpx.Headers()
        self.is_whole = False
        """Whether the server ended the answer properly."""
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(client, method, url, request))

    @property
    def run_id(self) -> str:
        return self.frames[0].data["run_id"]

    @property
    def last(self) -> int:
        """The id of the last frame; 0 without one."""
        return self.frames[-1].id if self.frames else 0

    @property
    def names(self) -> list[str]:
        return [frame.event for frame in self.frames]

    async def reached(self, event: str, times: int = 1) -> Frame:
        """Waits for the event's frame, or for its n-th one with `times=n`, and returns it."""
        found = await self.until(
            lambda: [frame for frame in self.frames if frame.event == event][times - 1 :], event
        )
        return found[0]

    async def begun(self) -> str:
        """The run's id, once its first frame is there."""
        await self.until(lambda: self.frames, "a first frame")
        return self.run_id

    async def answered(self) -> int:
        """The answer's status, once its head is there."""
        return await self.until(lambda: self.status, "an answer")

    async def until(self, claim: Callable[[], Any], what: str) -> Any:
        """What `claim` says, once it is true."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (found := claim()):
                    changed = self._changed
                    assert not self._task.done(), f"ended with {self.status} before {what}: {self.names}"
                    await changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE} s: {what}; came: {self.names}") from None

    async def some(self, count: int) -> None:
        """Returns once there are so many frames, or the connection has ended."""
        while not self._task.done() and len(self.frames) < count:
            grown = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait([self._task, grown], return_when=asyncio.FIRST_COMPLETED)
            grown.cancel()

    async def ended(self) -> list[Frame]:
        """All frames, once the connection has ended, however it did."""
        done, _ = await asyncio.wait([self._task], timeout=PATIENCE)
        assert done, f"still open after {PATIENCE} s: {self.names}"
        self._task.result()
        return self.frames

    async def leave(self) -> None:
        """Hangs up."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, client: httpx.AsyncClient, method: str, url: str, request: dict[str, Any]) -> None:
        rest = ""
        with suppress(httpx.TransportError):
            async with client.stream(method, url, **request) as response:
                self.status, self.headers = response.status_code, response.headers
                self._change()
                async for text in response.aiter_text():
                    *blocks, rest = (rest + text).split("\n\n")
                    self.frames += [frame(block) for block in blocks if not block.startswith(":")]
                    self._change()
                self.is_whole = True
        self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def frame(block: str) -> Frame:
    number, event, text = block.split("\n")
    return Frame(
        int(number.removeprefix("id: ")),
        event.removeprefix("event: "),
        json.loads(text.removeprefix("data: ")),
        block,
    )


def raw(frames: Sequence[Frame]) -> list[str]:
    return [frame.raw for frame in frames]


def check(
    frames: Sequence[Frame], *, end: str = "RunCompleted", pauses: int = 0, has_died: bool = False
) -> None:
    """One sequence without gaps or duplicates, and exactly one terminal event, last.

    `has_died`: its process did, and its end, and that of its nested runs, comes behind all that could have
    been seen.
    """
    ids = [frame.id for frame in frames]
    if has_died:
        late = [number for number in ids if number > len(ids)]
        assert late == list(range(late[0], late[0] + len(late)))
        ids = ids[: -len(late)]
        assert late[0] > len(ids) + 1000
    assert ids == list(range(1, len(ids) + 1))
    names = [frame.what for frame in frames if not frame.data["nested_depth"]]
    assert [name for name in names if name in TERMINAL] == [end] == names[-1:], names
    assert frames[-1].what == end
    assert names.count("RunPaused") == pauses
    assert names.count("RunStarted") == 1


def said(frames: Sequence[Frame]) -> str:
    """The text of a run without what was taken back."""
    texts: list[tuple[int, str]] = []
    for each in frames:
        void_from = each.data.get("discarded_from") if each.what == "RunContinued" else None
        if void_from is not None:
            texts = [(seq, text) for seq, text in texts if seq < void_from]
        if each.what == "RunContent":
            texts.append((each.id, each.data["content"]))
    return "".join(text for _, text in texts)


def spoken(run: dict[str, Any]) -> str:
    """The text of a stored run's model turns."""
    return "".join(each.get("content") or "" for each in run["messages"] if each["role"] == "assistant")
