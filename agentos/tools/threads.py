"""The threads that sync tools run in, shared so that one user's hung calls don't hold up everybody's.

A thread can't be stopped. A call that nobody waits for any more, because it timed out or its run was
cancelled, leaves its place to others, but its thread still counts towards the total.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLimits:
    """How many calls may run. Those of runs without a user count only towards the limits for all."""

    awaited: int = 192
    """Calls that somebody waits for."""
    awaited_per_user: int = 48
    total: int = 512
    """All calls, with those that nobody waits for any more."""
    total_per_user: int = 96


@dataclass(slots=True, eq=False)
class _Call:
    """One call, from the moment it asks for a thread."""

    user_id: str | None
    entered: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    is_awaited: bool = True


class ToolThreads:
    """Runs functions in threads, at most as many as the limits say. Serves any number of event loops."""

    def __init__(self, limits: ThreadLimits | None = None) -> None:
        self._limits = limits or ThreadLimits()
        self._executor = ThreadPoolExecutor(self._limits.total, thread_name_prefix="agentos-tool")
        self._lock = Lock()
        self._queue: list[_Call] = []
        self._awaited = self._total = 0
        self._awaited_by = Counter[str | None]()
        self._total_by = Counter[str | None]()

    async def run(self, work: Callable[[], Any], *, user_id: str | None) -> Any:
        """What `work` returns or raises. Cancelling the wait doesn't stop it once it has begun."""
        call = _Call(user_id, asyncio.get_running_loop().create_future())
        with self._lock:
            self._queue.append(call)
            self._admit()
        try:
            await call.entered
            running: Future[Any] = self._executor.submit(work)
        except BaseException:
            self._give_up(call)
            raise
        running.add_done_callback(lambda _: self._end(call))
        try:
            return await asyncio.wrap_future(running)
        finally:
            with self._lock:
                self._leave(call)
                self._admit()

    def _admit(self) -> None:
        """Lets in the waiting calls that fit, the first one first."""
        for call in [call for call in self._queue if self._fits(call) and self._enter(call)]:
            self._queue.remove(call)

    def _fits(self, call: _Call) -> bool:
        user_id, limits = call.user_id, self._limits
        return (
            self._awaited < limits.awaited
            and self._total < limits.total
            and (
                user_id is None
                or (
                    self._awaited_by[user_id] < limits.awaited_per_user
                    and self._total_by[user_id] < limits.total_per_user
                )
            )
        )

    def _enter(self, call: _Call) -> bool:
        self._awaited += 1
        self._total += 1
        self._awaited_by[call.user_id] += 1
        self._total_by[call.user_id] += 1
        try:
            call.loop.call_soon_threadsafe(_set, call.entered)
        except RuntimeError:  # its loop was closed
            self._leave(call)
            self._subtract(call)
        return True

    def _give_up(self, call: _Call) -> None:
        """Ends a call that didn't get as far as a thread."""
        with self._lock:
            if call in self._queue:
                self._queue.remove(call)
                return
            self._leave(call)
            self._subtract(call)
            self._admit()

    def _end(self, call: _Call) -> None:
        with self._lock:
            self._leave(call)
            self._subtract(call)
            self._admit()

    def _leave(self, call: _Call) -> None:
        if call.is_awaited:
            call.is_awaited = False
            self._awaited -= 1
            _take(self._awaited_by, call.user_id)

    def _subtract(self, call: _Call) -> None:
        self._total -= 1
        _take(self._total_by, call.user_id)


def _take(counter: Counter[str | None], user_id: str | None) -> None:
    counter[user_id] -= 1
    if not counter[user_id]:
        del counter[user_id]


def _set(entered: asyncio.Future[None]) -> None:
    if not entered.done():
        entered.set_result(None)
