"""Shared asyncio patterns: retries, work that survives cancellation, and background loops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

BackgroundLoop = Callable[[], Coroutine[Any, Any, None]]


class StrayError(Exception):
    """A function that isn't ours raised what isn't an Exception, such as SystemExit or CancelledError."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(f"{type(raised).__name__}: {raised}")
        self.raised = raised


@contextmanager
def contained() -> Generator[None]:
    """Turns what a function that isn't ours raises into an Exception, except a real cancellation.

    SystemExit and KeyboardInterrupt would end the process, and a CancelledError that nobody requested would
    look like a cancelled run. For threads and for coroutines that run in a task, not for generators.
    """
    task = _current_task()
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        is_cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
        is_closed = isinstance(error, GeneratorExit) and _current_task() is not task
        if not (is_cancelled or is_closed):
            raise StrayError(error) from error
        raise


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a thread without a loop, or a coroutine that is being closed
        return None


class Deadline:
    """A moment after which work is given up, known only once it draws near: at the end of a process."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._limits: set[asyncio.Timeout] = set()

    def set(self, seconds: float) -> None:
        """Gives up what is inside `limit`, and what will be, in this many seconds."""
        self._at = asyncio.get_running_loop().time() + seconds
        for limit in self._limits:
            limit.reschedule(self._at)

    @asynccontextmanager
    async def limit(self) -> AsyncGenerator[None]:
        """Raises TimeoutError if the deadline passes inside."""
        async with asyncio.timeout_at(self._at) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)


async def patiently(call: Callable[[], Awaitable[T]], *, on: type[Exception], pauses: Iterable[float]) -> T:
    """Awaits `call()`. If it raises `on`, waits the next of `pauses` (seconds) and retries.

    The error is raised once there are no more pauses.
    """
    for pause in pauses:
        try:
            return await call()
        except on:
            await asyncio.sleep(pause)
    return await call()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Lets `work` finish even if the caller is cancelled; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interruption = error
    result = task.result()
    if interruption is not None:
        raise interruption
    return result


async def occurs(event: asyncio.Event, *, within: float) -> bool:
    """Whether `event` is set within this many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await event.wait()
    return False


@asynccontextmanager
async def background(
    *loops: BackgroundLoop,
    logger: logging.Logger,
    expected: type[Exception],
    reported: type[Exception] | tuple[()] = (),
    pause: float,
) -> AsyncGenerator[None]:
    """Runs each of `loops` in its own task until exit, when all are cancelled and awaited.

    A loop that raises is restarted after `pause` seconds, and the error is logged, with its traceback unless
    it was `expected`. An error that was `reported` where it arose isn't logged. A loop that returns isn't
    restarted.
    """

    async def kept_up(loop: BackgroundLoop) -> None:
        while True:
            try:
                return await loop()
            except reported:
                pass
            except expected as error:
                logger.warning("Background loop %s failed, retrying: %s", _name(loop), error)
            except Exception:
                logger.exception("Background loop %s failed, retrying", _name(loop))
            await asyncio.sleep(pause)

    tasks = [asyncio.create_task(kept_up(loop), name=_name(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _name(loop: BackgroundLoop) -> str:
    return getattr(loop, "__name__", "loop").strip("_")
