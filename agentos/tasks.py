"""Asynchronous habits, written once: try again, finish though cancelled, work in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

BackgroundLoop = Callable[[], Coroutine[Any, Any, None]]


async def patiently(call: Callable[[], Awaitable[T]], *, on: type[Exception], pauses: Iterable[float]) -> T:
    """Awaits `call()`; if it raises `on`, waits the next of `pauses` (seconds) and tries again.

    Once there are no more pauses the error is raised.
    """
    for pause in pauses:
        try:
            return await call()
        except on:
            await asyncio.sleep(pause)
    return await call()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Lets `work` finish even if the caller is cancelled meanwhile; the cancellation is raised after it."""
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
    """Whether `event` is set before so many seconds have passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            return await event.wait()
    return False


@asynccontextmanager
async def background(
    *loops: BackgroundLoop, logger: logging.Logger, expected: type[Exception], pause: float
) -> AsyncGenerator[None]:
    """Runs each of `loops` in a task of its own until left, when all are cancelled and awaited.

    A loop that raises begins again after `pause` seconds, and the error is logged, with its traceback unless
    it was `expected`. Only returning ends a loop before its owner.
    """

    async def kept_up(loop: BackgroundLoop) -> None:
        while True:
            try:
                return await loop()
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
