"""How the steps of a run are carried out when the process is all there is: straight away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

T = TypeVar("T")


def inline(name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
    """`run.runnable.Steps` that records nothing."""
    return source()
