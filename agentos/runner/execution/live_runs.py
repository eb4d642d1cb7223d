"""The runs that this process is executing: each in a task of its own, which outlives whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from agentos.run.events import RunEvent
from agentos.run.records import RunOutput
from agentos.runner.events.buffer import Journal
from agentos.runner.events.writer import EventLog
from agentos.runner.execution.execute import execute, origin_of
from agentos.runner.execution.execution import Job
from agentos.runner.settings import Configured


@dataclass(frozen=True, slots=True)
class LiveRun:
    """An executing run: what it is, its journal, its task."""

    job: Job
    journal: Journal
    task: asyncio.Task[None]

    @property
    def run(self) -> RunOutput:
        """The run's record."""
        return self.job.run

    async def finished(self) -> RunOutput:
        """The run once it has ended. Giving up waiting doesn't end it."""
        await asyncio.wait([self.task])
        return self.job.run

    def cancel(self) -> None:
        """Ends it as CANCELLED, soon."""
        # A task that is cancelled before its first step never takes it, and nobody would store the outcome.
        asyncio.get_running_loop().call_soon(self.task.cancel)

    def hand_over(self) -> None:
        """Leaves the run to another process: stops it here and stores nothing."""
        self.job.is_handed_over = True
        self.cancel()


def launch(runnable: Configured, job: Job, *, log: EventLog | None = None) -> LiveRun:
    """Starts an accepted run; with a `log` its events go there too."""
    journal = Journal(origin_of(job.run), log=log, careful=job.durable, logged=job.logged)
    work = execute(runnable, job, journal, db=runnable.settings.db)
    return LiveRun(job, journal, asyncio.create_task(work, name=f"run {job.run_id}"))


async def events(live: LiveRun) -> AsyncGenerator[RunEvent]:
    """What a run in the same process does, for somebody who owns it: leaving early cancels it."""
    try:
        async for event in live.journal.follow():
            yield event
    finally:
        live.cancel()
        await asyncio.wait([live.task])


class LiveRuns:
    """The owner of a server's running tasks."""

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}

    def launch(self, runnable: Configured, job: Job, *, log: EventLog | None) -> LiveRun:
        """Starts an accepted run and keeps it until it ends."""
        live = launch(runnable, job, log=log)
        self._runs[job.run_id] = live
        live.task.add_done_callback(lambda _: self._forget(live))
        return live

    def _forget(self, live: LiveRun) -> None:
        if self._runs.get(live.job.run_id) is live:  # it may have come back meanwhile
            del self._runs[live.job.run_id]

    def get(self, run_id: str) -> LiveRun | None:
        """The run, if this process is executing it."""
        return self._runs.get(run_id)

    @property
    def run_ids(self) -> list[str]:
        """Of all that this process is executing."""
        return list(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def hand_over(self) -> None:
        """Leaves durable runs to other processes."""
        for live in self._runs.values():
            if live.job.durable:
                live.hand_over()

    async def close(self, grace: float) -> None:
        """Hands durable runs over, waits up to `grace` seconds for the others, cancels what is left."""
        self.hand_over()
        runs = list(self._runs.values())
        if not runs:
            return
        _, late = await asyncio.wait([live.task for live in runs], timeout=grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
