"""Nested runs, each with its own row and origin.

A nested run executes inside a step of its parent, in the same process. Its row is its record: if the parent
is executed again, in any process, the same name leads to the stored result, or to the point where the run
stopped.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from agentos.db.contracts.runs import OpenedRun, StateChange
from agentos.errors import AgentOSError, DatabaseUnavailableError
from agentos.run.events import RunCompleted
from agentos.run.ids import nested_run_id
from agentos.run.last_event import origin_of
from agentos.run.messages import Metrics
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.run.requirement import RunRequirement
from agentos.run.runnable import RunContext, Runnable
from agentos.runner.approvals import asked
from agentos.runner.events.buffer import Buffer
from agentos.runner.execution.drive import cancelled, drive
from agentos.runner.execution.steps import within
from agentos.runner.execution.timeline import timed
from agentos.runner.settings import Configured, RunSettings
from agentos.tasks import Deadline, patiently, to_the_end

if TYPE_CHECKING:
    from agentos.db.base import Db
    from agentos.runner.execution.execution import Execution

MAX_DEPTH = 8
"""Levels of runs below a root, to stop members that delegate to each other in a circle."""
MAX_CHILDREN = 64
"""Nested runs of one run that execute at once; the others wait for their turn."""
STORE_PAUSES = (0.2, 1.0, 3.0)
"""Seconds between attempts to store a run's outcome."""


class NestingTooDeepError(AgentOSError):
    """A nested run would be more than `MAX_DEPTH` levels below its root."""

    code = "too_deep"


class ChildRuns:
    """`run.runnable.Children` of one execution: all runs below its root."""

    def __init__(self, execution: Execution, buffer: Buffer, db: Db | None, deadline: Deadline) -> None:
        self._execution = execution
        self._buffer = buffer
        self._db = db
        self._deadline = deadline
        self._begun: set[str] = set()
        self._live: defaultdict[str, set[asyncio.Task[RunOutput]]] = defaultdict(set)
        """Live runs by parent."""
        self._places: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(MAX_CHILDREN)
        )
        """By parent. Not one for the tree: parents would wait for the places that they hold."""
        self._paths: dict[str, str] = {}
        """How the names of each run's steps begin."""
        self._ended: set[str] = set()
        """Parents that may not start any more runs."""

    async def __call__(
        self, parent: RunContext, runnable: Runnable, given: RunInput, *, name: str
    ) -> RunOutput:
        """See `RunContext.child`."""
        settings = runnable.settings if isinstance(runnable, Configured) else RunSettings()
        run = _new(parent, runnable, given, name)
        if run.run_id in self._begun:
            raise ValueError(f"Two nested runs of one run are called {name!r}; each needs a name of its own.")
        if parent.run_id in self._ended:
            raise RuntimeError("The run has ended: it can't begin nested runs any more.")
        self._begun.add(run.run_id)
        path = self._paths[run.run_id] = f"{self._paths.get(parent.run_id, '')}{name}/"

        async def executed() -> RunOutput:
            async with self._places[parent.run_id]:
                opened = await self._open(parent, run, settings)
                if opened.run.is_paused and _is_undecided(parent.run, opened.run):
                    self._execution.replay(path)
                    return opened.run
                if opened.run.status.is_final:
                    self._execution.replay(path)
                else:
                    await self._executed(_context(parent, opened, settings, name), runnable)
                _adopt(parent.run, opened.run)
                return opened.run

        task = asyncio.create_task(executed(), name=f"run {run.run_id}")
        self._live[parent.run_id].add(task)
        return await task

    async def end(self, parent: RunOutput) -> None:
        """See `drive.NestedRuns`."""
        self._ended.add(parent.run_id)
        live = {task for task in self._live.pop(parent.run_id, ()) if not task.done()}
        for task in live:
            task.cancel()
        if live:
            await asyncio.wait(live)

    async def _open(self, parent: RunContext, run: RunOutput, settings: RunSettings) -> OpenedRun:
        assert run.input is not None, "a nested run is made with its input"
        request = parent.request.nested(run.input, run.run_id)
        if self._db is None:
            found = next((each for each in parent.run.children if each.run_id == run.run_id), run)
            return OpenedRun(run=found, request=request)
        return await self._db.open_child(
            run,
            request,
            owner=parent.owner,
            worker_id=self._execution.worker_id,
            durable=self._execution.durable,
            reads=settings.reads(),
        )

    async def _executed(self, context: RunContext, runnable: Runnable) -> None:
        """Executes the run until it finishes or pauses. Stores that before its final event is recorded."""
        run, began = context.run, perf_counter()
        run.status = RunStatus.RUNNING
        spent = (run.metrics.duration if run.metrics else None) or 0
        try:
            final = await drive(runnable, context, self._buffer, self, origin=origin_of(run))
        except asyncio.CancelledError:
            if not self._execution.is_handed_over:
                final = cancelled(run)
                final.origin = origin_of(run)
                try:
                    with suppress(DatabaseUnavailableError, TimeoutError):  # its root's end ends its row too
                        await to_the_end(self._store(context))
                finally:  # it may be cancelled once more
                    self._buffer.record(final)
            raise
        seconds = spent + perf_counter() - began
        run.metrics = (run.metrics or Metrics()).model_copy(update={"duration": seconds})
        if isinstance(final, RunCompleted):
            final.metrics = run.metrics
        final.origin = origin_of(run)
        await patiently(lambda: self._store(context), on=DatabaseUnavailableError, pauses=STORE_PAUSES)
        self._buffer.record(final)

    async def _store(self, context: RunContext) -> None:
        """Stores the run's outcome. The session's state and metrics are stored with the root."""
        if self._db is None:
            return
        run = context.run
        if run.is_paused and (wanted := asked(run)):
            await self._db.create_approvals(wanted, owner=context.owner)
        worker_id = self._execution.worker_id
        async with self._deadline.limit():
            await self._db.finish_run(run, StateChange(), owner=context.owner, worker_id=worker_id)


def _new(parent: RunContext, runnable: Runnable, given: RunInput, name: str) -> RunOutput:
    above, depth = parent.run, (parent.run.depth or 0) + 1
    if depth > MAX_DEPTH:
        raise NestingTooDeepError(f"Runs may be {MAX_DEPTH} levels deep; {name!r} would be one more.")
    return RunOutput(
        run_id=nested_run_id(above.run_id, name),
        kind=runnable.kind,
        runnable_id=runnable.id,
        runnable_name=runnable.name,
        session_id=above.session_id,
        parent_run_id=above.run_id,
        root_run_id=above.root_run_id or above.run_id,
        depth=depth,
        user_id=above.user_id,
        status=RunStatus.RUNNING,
        input=given,
    )


def _context(parent: RunContext, opened: OpenedRun, settings: RunSettings, name: str) -> RunContext:
    """The context of the nested runnable: its own settings, and what the whole tree shares."""
    above, run = parent.request, opened.run
    claims = {"claims": above.claims, "dependency_claims": above.dependency_claims}
    request = opened.request.model_copy(update=claims)  # it may be older than the root's continuation
    _decide(parent.run, run)
    return RunContext(
        run=run,
        request=request,
        steps=timed(within(parent.steps, name), run.steps),
        children=parent.children,
        state=parent.state,
        dependencies=request.dependencies_over(settings.dependencies),
        metadata={**settings.metadata, **request.metadata},
        history=opened.history,
        memories=opened.memories,
        output_schema=settings.output_schema,
        spending=parent.spending,
    )


def _is_undecided(parent: RunOutput, run: RunOutput) -> bool:
    """Whether nobody has decided anything that the paused run, or a run below it, waits for."""
    known = parent.child_requirements.get(run.run_id, ())
    return bool(known) and not any(each.is_resolved for each in known)


def _decide(parent: RunOutput, run: RunOutput) -> None:
    """Applies decisions to a paused nested run and those below it."""
    decided = {(each.member_run_id, each.id): each for each in parent.child_requirements.get(run.run_id, ())}
    own = {call: each.tool_execution for (member, call), each in decided.items() if member == run.run_id}
    run.tools = [own.get(tool.tool_call_id, tool) if tool.is_waiting else tool for tool in run.tools]
    run.child_requirements = {
        child: [decided.get((each.member_run_id, each.id), each) for each in requirements]
        for child, requirements in run.child_requirements.items()
    }


def _adopt(parent: RunOutput, run: RunOutput) -> None:
    """Adds what a nested run waits for, and its metrics, to its parent."""
    waiting = {run.run_id: [_requirement(run, each) for each in run.active_requirements]}
    others = {child: each for child, each in parent.child_requirements.items() if child != run.run_id}
    parent.child_requirements = others | {child: each for child, each in waiting.items() if each}
    parent.children = [*(each for each in parent.children if each.run_id != run.run_id), run]
    now, counted = run.metrics or Metrics(), parent.child_metrics.get(run.run_id, Metrics())
    parent.metrics = (parent.metrics or Metrics()).growing(counted, now)
    parent.child_metrics = {**parent.child_metrics, run.run_id: now}


def _requirement(run: RunOutput, requirement: RunRequirement) -> RunRequirement:
    if requirement.member_run_id is not None:
        return requirement
    names = {
        "member_run_id": run.run_id,
        "member_agent_id": run.runnable_id,
        "member_agent_name": run.runnable_name,
    }
    return requirement.model_copy(update=names)
