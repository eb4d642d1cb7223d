"""Implementations of `Steps`: direct, metered, or named within a nested run.

They wrap one another; in a durable run, `durable.steps` is the innermost.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from agentos.models.base import ModelDelta, ModelResponse
from agentos.run.budget import Spending
from agentos.run.runnable import Steps

T = TypeVar("T")


def inline(name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
    """`run.runnable.Steps` of a run that isn't durable: nothing is recorded."""
    return source()


def within(steps: Steps, prefix: str) -> Steps:
    """The steps of a nested run, with names that include the nested run's own name."""

    def nested(name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        return steps(f"{prefix}/{name}", source)

    return nested


def metered(steps: Steps, spending: Spending) -> Steps:
    """Steps that count model usage, and refuse to start once the budget is exhausted."""

    def counted(name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        return _counted(steps(name, source), spending)

    return counted


async def _counted(items: AsyncGenerator[T], spending: Spending) -> AsyncGenerator[T]:
    async with aclosing(items):
        spending.check()
        written = 0
        async for item in items:
            if isinstance(item, ModelDelta):
                written += _size(item.content, item.reasoning_content)
                spending.check_output(written)
            elif isinstance(item, ModelResponse):
                arguments = (call.function.arguments for call in item.tool_calls)
                written = _size(item.content, item.reasoning_content, *arguments)
                spending.count(tokens=item.metrics.total_tokens, output_bytes=written)
            yield item


def _size(*texts: str | None) -> int:
    return sum(len(text) if text.isascii() else len(text.encode(errors="replace")) for text in texts if text)
