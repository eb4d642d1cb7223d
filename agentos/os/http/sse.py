"""Runs as server-sent events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import Final, Literal, cast

from pydantic_core import from_json

from agentos.db.contracts.events import LoggedEvent
from agentos.errors import UnreadableEventError
from agentos.kinds import Kind
from agentos.run.events import RunCancelled, RunCompleted, RunContent, RunError, RunPaused
from agentos.run.records import RunOutput
from agentos.run.wire import closing_frame, event_name, sse_frame
from agentos.runner.service import EventSource

logger = logging.getLogger("agentos.http")

KEEP_ALIVE: Final = b": keep-alive\n\n"
KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds of silence after which a comment is sent, since proxies cut idle connections."""

EventSelection = Literal["all", "text", "none"]
"""Which events of a run a stream shows. `text`: the pieces of its answer, its pause or its error, and nothing
of nested runs; `none`: how it ended or paused."""
Shows = Callable[[LoggedEvent], bool]
"""Whether a stream shows an event."""


def selector(run: RunOutput, selection: EventSelection, *, member_events: bool = True) -> Shows | None:
    """What a stream of this run shows; None: everything.

    Without `member_events`, that is nothing of nested runs. If the pieces of an answer weren't logged, the
    run's last event contains it, and is shown as text.
    """
    if selection == "all":
        return None if member_events else lambda line: _is_of(line, run)
    names = _names(run.kind, selection)
    return lambda line: (line.is_restored or line.name in names) and _is_of(line, run)


def _is_of(line: LoggedEvent, run: RunOutput) -> bool:
    try:
        event = from_json(line.text)
    except ValueError as error:
        raise UnreadableEventError from error
    return isinstance(event, dict) and cast("dict[str, object]", event).get("run_id") == run.run_id


@lru_cache
def _names(kind: Kind, selection: EventSelection) -> frozenset[str]:
    """The wire names of the selected events."""
    stops = RunPaused(), RunError(content="", error_type="")
    texts = RunContent(), *stops
    ends = RunCompleted(), RunCancelled(), *stops
    shown = texts if selection == "text" else ends
    return frozenset(event_name(event, kind) for event in shown)


async def frames(
    source: EventSource,
    *,
    after: int = 0,
    shows: Shows | None = None,
    keep_alive: float = KEEP_ALIVE_SECONDS,
) -> AsyncGenerator[bytes]:
    """Server-sent events. Events that are ready at once are sent together; comments keep the stream alive."""
    batches, now = source(after), asyncio.get_running_loop().time
    silent_until = now() + keep_alive
    try:
        while True:
            try:
                async with asyncio.timeout_at(silent_until):
                    batch = await anext(batches)
                shown = batch if shows is None else [line for line in batch if shows(line)]
            except TimeoutError:
                batches = source(after)  # the time limit has ended the other one
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
            if shown:
                yield "".join([sse_frame(line.name, line.text, line.seq) for line in shown]).encode()
                silent_until = now() + keep_alive
    finally:
        await batches.aclose()
