"""Runs as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Final

from pydantic_core import from_json

from agentos.db.contracts.events import LoggedEvent
from agentos.kinds import Kind
from agentos.run.events import RunContent, RunError, RunPaused
from agentos.run.wire import event_name, sse_frame
from agentos.runner.service import EventSource

KEEP_ALIVE: Final = b": keep-alive\n\n"
KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds of silence after which a comment is sent, since proxies cut idle connections."""


async def frames(
    source: EventSource,
    *,
    after: int = 0,
    names: frozenset[str] | None = None,
    keep_alive: float = KEEP_ALIVE_SECONDS,
) -> AsyncGenerator[bytes]:
    """Server-sent events. Events that are ready at once are sent together; comments keep the stream alive.

    `names` restricts it to events with these wire names, without those of nested runs.
    """
    batches, now = source(after), asyncio.get_running_loop().time
    silent_until = now() + keep_alive
    try:
        while True:
            try:
                async with asyncio.timeout_at(silent_until):
                    batch = await anext(batches)
            except TimeoutError:
                batches = source(after)
                yield KEEP_ALIVE
                silent_until = now() + keep_alive
                continue
            except StopAsyncIteration:
                return
            after = batch[-1].seq
            shown = batch if names is None else [line for line in batch if _is_answer(line, names)]
            if shown:
                yield "".join([sse_frame(line.name, line.text, line.seq) for line in shown]).encode()
                silent_until = now() + keep_alive
    finally:
        await batches.aclose()


def _is_answer(line: LoggedEvent, names: frozenset[str]) -> bool:
    return line.name in names and not from_json(line.text).get("nested_depth")


@lru_cache
def answer_names(kind: Kind) -> frozenset[str]:
    """The wire names of the events that remain with `stream_events=false`: the answer, or the error."""
    shown = RunContent(), RunPaused(), RunError(content="", error_type="")
    return frozenset(event_name(event, kind) for event in shown)
