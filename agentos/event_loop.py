"""Runs async code for callers without an event loop, and keeps values separate per loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from threading import Lock, Thread
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_lock = Lock()
_loop: asyncio.AbstractEventLoop | None = None


class PerLoop(Generic[T]):
    """A value created once per event loop. Clients and pools hold sockets that belong to their loop."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """The running loop's value."""
        loop = asyncio.get_running_loop()
        if loop not in self._values:
            self._values[loop] = self._make()
        return self._values[loop]

    def pop(self) -> T | None:
        """Removes the running loop's value and returns it, to be closed."""
        return self._values.pop(asyncio.get_running_loop(), None)


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            Thread(target=_loop.run_forever, name="agentos", daemon=True).start()
        return _loop


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to completion in a thread without an event loop. Clients stay open between calls."""
    _refuse_inside_loop(work)
    future = asyncio.run_coroutine_threadsafe(work, _background_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def iterate_sync(source: AsyncGenerator[T]) -> Iterator[T]:
    """Yields the items of `source` in a thread without an event loop. Stopping early closes it."""
    try:
        while True:
            try:
                yield run_sync(_next(source))
            except StopAsyncIteration:
                return
    finally:
        run_sync(source.aclose())


async def _next(source: AsyncGenerator[T]) -> T:
    return await anext(source)


def _refuse_inside_loop(work: Coroutine[Any, Any, Any]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    work.close()
    raise RuntimeError(
        "An event loop is running in this thread: use the async method (arun, aprint_response)."
    )
