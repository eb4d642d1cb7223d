"""The runs that this process is executing: each in a task of its own, which outlives whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from agentos.run.events import RunEvent
from agentos.run.records import RunOutput
from agentos.run.runnable import RunContext
from agentos.runner.execute import execute, origin_of
from agentos.runner.journal import Journal
from agentos.runner.settings import Configured


@dataclass(frozen=True, slots=True)
class LiveRun:
    """An executing run: its record, its journal, its task."""

    run: RunOutput
    journal: Journal
    task: asyncio.Task[None]

    async def finished(self) -> RunOutput:
        """The run once it has ended. Giving up waiting doesn't end it."""
        await asyncio.wait([self.task])
        return self.run


def launch(runnable: Configured, context: RunContext, *, log: bool) -> LiveRun:
    """Starts an accepted run. `log`: whether its events go to the event log too (it needs a db)."""
    db = runnable.settings.db
    journal = Journal(origin_of(context.run), log=db if log else None, owner=context.owner)
    task = asyncio.create_task(execute(runnable, context, journal, db=db), name=f"run {context.run_id}")
    return LiveRun(context.run, journal, task)


async def events(live: LiveRun) -> AsyncGenerator[RunEvent]:
    """What a run in the same process does, for somebody who owns it: leaving early cancels it."""
    try:
        async for event in live.journal.follow():
            yield event
    finally:
        live.task.cancel()
        await asyncio.wait([live.task])


class LiveRuns:
    """The owner of a server's running tasks."""

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}

    def launch(self, runnable: Configured, context: RunContext, *, log: bool) -> LiveRun:
        """Starts an accepted run and keeps it until it ends."""
        live = launch(runnable, context, log=log)
        self._runs[context.run_id] = live
        live.task.add_done_callback(lambda _: self._runs.pop(context.run_id, None))
        return live

    def get(self, run_id: str) -> LiveRun | None:
        """The run, if this process is executing it."""
        return self._runs.get(run_id)

    async def close(self, grace: float) -> None:
        """Waits up to `grace` seconds for the runs to end, cancels the rest, and waits for those."""
        tasks = [live.task for live in self._runs.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
