"""Runs async code for callers without an event loop, and keeps values separate per loop."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, Final, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet, finalize

END_SECONDS: Final = 2.0
"""How long closing clients may hold up the end of a program."""

_lock = Lock()
_loop: asyncio.AbstractEventLoop | None = None
"""The loop of callers without one. It runs until the program ends."""


class Closable(Protocol):
    """Something with sockets."""

    async def close(self) -> None:
        """Closes them, in the loop in which they were opened."""
        ...


T = TypeVar("T")
C = TypeVar("C", bound=Closable)


class PerLoop(Generic[C]):
    """A value created once per event loop. Clients and pools hold sockets that belong to their loop.

    That of the loop of `run_sync`, which no caller can reach, is closed with its owner or with the program.
    """

    _all: Final[WeakSet[PerLoop[Any]]] = WeakSet()

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, C] = WeakKeyDictionary()
        self._all.add(self)
        # A value that refers to this object would keep it alive.
        finalize(self, _discard, self._values).atexit = False

    @classmethod
    async def close_all(cls) -> None:
        """Closes all values of the running loop."""
        values = [each.pop() for each in list(cls._all)]
        await asyncio.gather(
            *(value.close() for value in values if value is not None), return_exceptions=True
        )

    def get(self) -> C:
        """The running loop's value."""
        loop = asyncio.get_running_loop()
        if loop not in self._values:
            self._values[loop] = self._make()
        return self._values[loop]

    def pop(self) -> C | None:
        """Removes the running loop's value and returns it, to be closed."""
        return self._values.pop(asyncio.get_running_loop(), None)


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            thread = Thread(target=_loop.run_forever, name="agentos", daemon=True)
            thread.start()
            atexit.register(_end, _loop, thread)
        return _loop


def _discard(values: WeakKeyDictionary[asyncio.AbstractEventLoop, Any]) -> None:
    """Closes the value of the background loop, whose owner is gone."""
    if _loop is not None and _loop.is_running() and _loop in values:
        asyncio.run_coroutine_threadsafe(values.pop(_loop).close(), _loop)


def _end(loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
    """Closes what the loop holds, at the end of the program."""
    with suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(END_SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(END_SECONDS)
    if not thread.is_alive():
        loop.close()


async def _ended() -> None:
    """Cancels what still runs, and closes all clients."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await PerLoop.close_all()
    await asyncio.get_running_loop().shutdown_asyncgens()


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
