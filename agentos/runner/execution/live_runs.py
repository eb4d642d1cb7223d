"""The runs that this process executes, each in its own task, which continues if the caller disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from agentos.run.events import RunEvent
from agentos.run.last_event import origin_of
from agentos.run.records import RunOutput
from agentos.runner.events.buffer import Buffer
from agentos.runner.events.writer import LogWriter
from agentos.runner.execution.execute import execute
from agentos.runner.execution.execution import Execution
from agentos.runner.settings import Configured
from agentos.tasks import Deadline

LAST_SECONDS = 1.0
"""Seconds after a process's grace in which the last outcomes and events are stored."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """An executing run: its record, its events, its task."""

    execution: Execution
    buffer: Buffer
    task: asyncio.Task[None]

    @property
    def run(self) -> RunOutput:
        """The run's record."""
        return self.execution.run

    async def finished(self) -> RunOutput:
        """Waits until the run has ended and returns it. Cancelling the wait doesn't end the run."""
        await asyncio.wait([self.task])
        return self.execution.run

    def cancel(self) -> None:
        """Requests that the run ends as CANCELLED."""
        # A task that is cancelled before its first step never takes it, and nobody would store the outcome.
        asyncio.get_running_loop().call_soon(self.task.cancel)

    def hand_over(self) -> None:
        """Stops the run here without storing anything, so that another process can resume it."""
        self.execution.is_handed_over = True
        self.cancel()


def launch(
    runnable: Configured,
    execution: Execution,
    *,
    log: LogWriter | None = None,
    deadline: Deadline | None = None,
) -> LiveRun:
    """Starts an accepted run. With a `log`, its events are also written there.

    Its outcome isn't tried to be stored beyond the `deadline`.
    """
    origin, logged = origin_of(execution.run), execution.logged
    buffer = Buffer(origin, log=log, careful=execution.durable, logged=logged)
    db, deadline = runnable.settings.db, deadline or Deadline()
    work = execute(runnable, execution, buffer, db=db, deadline=deadline)
    return LiveRun(execution, buffer, asyncio.create_task(work, name=f"run {execution.run_id}"))


async def events(live: LiveRun) -> AsyncGenerator[RunEvent]:
    """The events of a run in the same process, for its owner: leaving early cancels the run."""
    try:
        async for event in live.buffer.follow():
            yield event
    finally:
        live.cancel()
        await asyncio.wait([live.task])


class LiveRuns:
    """Owns the running tasks of a server."""

    def __init__(self) -> None:
        self.deadline = Deadline()
        """Of the process, beyond which nothing is written any more."""
        self._runs: dict[str, LiveRun] = {}

    def launch(self, runnable: Configured, execution: Execution, *, log: LogWriter | None) -> LiveRun:
        """Starts an accepted run and keeps it until it ends."""
        live = launch(runnable, execution, log=log, deadline=self.deadline)
        self._runs[execution.run_id] = live
        live.task.add_done_callback(lambda _: self._forget(live))
        return live

    def _forget(self, live: LiveRun) -> None:
        if self._runs.get(live.run.run_id) is live:  # it may have come back meanwhile
            del self._runs[live.run.run_id]

    def get(self, run_id: str) -> LiveRun | None:
        """The run, if this process executes it."""
        return self._runs.get(run_id)

    @property
    def run_ids(self) -> list[str]:
        """The ids of all runs that this process executes."""
        return list(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def hand_over(self) -> None:
        """Hands durable runs over to other processes."""
        for live in self._runs.values():
            if live.execution.durable:
                live.hand_over()

    async def close(self, grace: float) -> None:
        """Hands durable runs over, waits up to `grace` seconds for the others, cancels the rest.

        What isn't stored `LAST_SECONDS` later is given up.
        """
        self.hand_over()
        late = {live.task for live in self._runs.values()}
        if late:
            _, late = await asyncio.wait(late, timeout=grace)
        self.deadline.set(LAST_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
