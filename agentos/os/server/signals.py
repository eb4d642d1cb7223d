"""The time between being asked to stop and stopping.

A server hears of its end only once its connections are closed, and those that follow long runs stay open. So
the signal itself is listened to: from then on nothing new is taken, durable runs go to other processes, and
whoever follows a run that doesn't execute here is sent there.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


@contextmanager
def on_termination(act: Callable[[], None]) -> Generator[None]:
    """Calls `act` in the running loop when the process is told to stop, before what it did anyway.

    Only where signals arrive: in the main thread.
    """
    if current_thread() is not main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(act)
        previous = before[signal.Signals(number)]
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, previous in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, previous)
