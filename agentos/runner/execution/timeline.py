"""When the steps of a run ran: a small record of each, stored with the run's outcome."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from time import perf_counter_ns, time_ns
from typing import Final, TypeVar

from agentos.models.base import ModelResponse
from agentos.run.records import Json
from agentos.run.runnable import Steps

MAX_STEPS: Final = 1000
"""Steps of a run that are recorded; later ones aren't."""

T = TypeVar("T")


def timed(steps: Steps, timeline: list[Json]) -> Steps:
    """Steps that add to `timeline` when they end; those of nested runs are in the nested runs' own.

    An entry has `name`, `started_at` (epoch microseconds) and `duration` (microseconds), `input_tokens` and
    `output_tokens` if it is a model's, and `failed` if an exception ended it.
    """

    def measured(name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        items = steps(name, source)
        return items if "/" in name or len(timeline) >= MAX_STEPS else _measured(name, items, timeline)

    return measured


async def _measured(name: str, items: AsyncGenerator[T], timeline: list[Json]) -> AsyncGenerator[T]:
    entry: Json = {"name": name, "started_at": time_ns() // 1000}
    began = perf_counter_ns()
    try:
        async with aclosing(items):
            async for item in items:
                if isinstance(item, ModelResponse):
                    entry["input_tokens"] = item.metrics.input_tokens
                    entry["output_tokens"] = item.metrics.output_tokens
                yield item
    except Exception:
        entry["failed"] = True
        raise
    finally:
        entry["duration"] = (perf_counter_ns() - began) // 1000
        timeline.append(entry)
