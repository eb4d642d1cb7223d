"""Start a run and follow it, whoever asks: the HTTP routes, and whatever else may come to ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import Final

from agentos.db.base import Db, LoggedEvent
from agentos.errors import DatabaseUnavailableError, NotFoundError
from agentos.run.events import Kind, RunContent, RunError
from agentos.run.owner import Owner, may_see
from agentos.run.records import RunOutput
from agentos.run.wire import decode_event, event_name, sse_frame
from agentos.runner.accept import RunArguments, accept
from agentos.runner.live import LiveRun, LiveRuns
from agentos.runner.settings import Configured

KEEP_ALIVE: Final = b": keep-alive\n\n"
KEEP_ALIVE_SECONDS: Final = 15.0
"""How long a stream may be silent: proxies cut connections that are silent for longer."""
POLL_SECONDS: Final = (0.1, 1.0)
"""The shortest and the longest pause between two looks at another process's event log."""

Batches = AsyncGenerator[list[LoggedEvent]]
Source = Callable[[int], Batches]
"""Events after a `seq`, until the run's last one; may be opened again where it was left."""


async def start(live: LiveRuns, runnable: Configured, arguments: RunArguments, *, owner: Owner) -> LiveRun:
    """Accepts a run and starts it; raises what `accept` raises. Streamed runs go to the event log too."""
    context = await accept(runnable, arguments, owner=owner)
    return live.launch(runnable, context, log=arguments.stream and runnable.settings.db is not None)


async def find(
    live: LiveRuns, runnable: Configured, run_id: str, *, session_id: str | None, owner: Owner
) -> RunOutput:
    """A run of this runnable, executing here or stored; a live one is as private as a stored one."""
    here = live.get(run_id)
    if here is not None:
        run = here.run if may_see(owner, here.run.user_id) else None
    else:
        db = runnable.settings.db
        run = None if db is None else await db.get_run(run_id, owner=owner, session_id=session_id)
    if (
        run is None
        or (run.kind, run.runnable_id) != (runnable.kind, runnable.id)
        or (session_id is not None and run.session_id != session_id)
    ):
        raise NotFoundError("Run")
    return run


def source_of(live: LiveRuns, runnable: Configured, run: RunOutput, *, owner: Owner) -> Source:
    """Where the events of a run that `find` found come from: this process's memory, or the event log."""
    here = live.get(run.run_id)
    if here is not None:
        return here.journal.follow_batches
    db = runnable.settings.db
    if db is None:
        raise NotFoundError("Run")
    return lambda after: _logged(db, run, after, owner=owner)


async def _logged(db: Db, run: RunOutput, after: int, *, owner: Owner) -> Batches:
    """Reads the event log until the run's last event is in it, or the run is over and nothing comes."""
    shortest, longest = POLL_SECONDS
    is_over, pause = run.status.is_final, shortest
    while True:
        try:
            batch = await db.read_events(run.run_id, after=after, owner=owner)
            if batch:
                yield batch
                after, pause = batch[-1].seq, shortest
                if _is_last(batch[-1], run):
                    return
                continue
            if is_over:
                return
            is_over = await _is_over(db, run, owner=owner)
        except DatabaseUnavailableError:
            pause = longest
        await asyncio.sleep(pause)
        pause = min(pause * 2, longest)


async def _is_over(db: Db, run: RunOutput, *, owner: Owner) -> bool:
    stored = await db.get_run(run.run_id, owner=owner, session_id=run.session_id)
    return stored is None or stored.status.is_final


def _is_last(line: LoggedEvent, run: RunOutput) -> bool:
    event = decode_event(line.text)
    return event.is_final and event.origin is not None and event.origin.run_id == run.run_id


async def frames(
    source: Source,
    *,
    after: int = 0,
    names: frozenset[str] | None = None,
    keep_alive: float = KEEP_ALIVE_SECONDS,
) -> AsyncGenerator[bytes]:
    """Server-sent events: what is ready at once goes out as one piece, and silence is broken by a comment.

    `names`: only events with these wire names.
    """
    batches = source(after)
    try:
        while True:
            try:
                async with asyncio.timeout(keep_alive):
                    batch = await anext(batches)
            except TimeoutError:
                batches = source(after)
                yield KEEP_ALIVE
                continue
            except StopAsyncIteration:
                return
            after = batch[-1].seq
            shown = batch if names is None else [line for line in batch if line.name in names]
            if shown:
                yield "".join([sse_frame(line.name, line.text, line.seq) for line in shown]).encode()
    finally:
        await batches.aclose()


@lru_cache
def answer_names(kind: Kind) -> frozenset[str]:
    """The wire names of the events that `stream_events=false` leaves: the answer, or why there is none."""
    return frozenset({event_name(RunContent(), kind), event_name(RunError(content="", error_type=""), kind)})
