"""Runs as server-sent events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Final

from pydantic_core import from_json

from agentos.db.contracts.events import LoggedEvent
from agentos.errors import UnreadableEventError
from agentos.kinds import Kind
from agentos.run.events import RunContent, RunError, RunPaused
from agentos.run.records import RunOutput
from agentos.run.wire import closing_frame, event_name, sse_frame
from agentos.runner.service import EventSource

logger = logging.getLogger("agentos.http")

KEEP_ALIVE: Final = b": keep-alive\n\n"
KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds of silence after which a comment is sent, since proxies cut idle connections."""


async def frames(
    source: EventSource,
    *,
    after: int = 0,
    answer_of: RunOutput | None = None,
    keep_alive: float = KEEP_ALIVE_SECONDS,
) -> AsyncGenerator[bytes]:
    """Server-sent events. Events that are ready at once are sent together; comments keep the stream alive.

    `answer_of` restricts it to the answer of that run, without the events of its nested runs. If the answer
    wasn't logged, the run's last event contains it.
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
            except UnreadableEventError as error:
                logger.warning("Closing a stream: %s", error)
                yield closing_frame(error).encode()
                return
            after = batch[-1].seq
            shown = batch if answer_of is None else [line for line in batch if _is_answer(line, answer_of)]
            if shown:
                yield "".join([sse_frame(line.name, line.text, line.seq) for line in shown]).encode()
                silent_until = now() + keep_alive
    finally:
        await batches.aclose()


def _is_answer(line: LoggedEvent, run: RunOutput) -> bool:
    is_shown = line.is_restored or line.name in _answer_names(run.kind)
    return is_shown and from_json(line.text).get("run_id") == run.run_id


@lru_cache
def _answer_names(kind: Kind) -> frozenset[str]:
    """The wire names of the events that remain with `stream_events=false`: the answer, or the error."""
    shown = RunContent(), RunPaused(), RunError(content="", error_type="")
    return frozenset(event_name(event, kind) for event in shown)
