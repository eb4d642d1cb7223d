"""Limits the event streams that one caller may have open."""

from __future__ import annotations

from collections import Counter
from typing import Final

from agentos.errors import TooManyStreamsError

MAX_STREAMS: Final = 100
"""Event streams that one caller may have open in a process."""


class Streams:
    """Counts the open event streams of each caller in this process."""

    def __init__(self, most: int = MAX_STREAMS) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def open(self, caller: str) -> None:
        """Counts one more. TooManyStreamsError if the caller has as many as allowed."""
        if self._open[caller] >= self._most:
            raise TooManyStreamsError(self._most)
        self._open[caller] += 1

    def close(self, caller: str) -> None:
        """Counts one less."""
        self._open[caller] -= 1
        if not self._open[caller]:
            del self._open[caller]
