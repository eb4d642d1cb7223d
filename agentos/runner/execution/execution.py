"""One segment of a run in this process: its context, and its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agentos.db.contracts.runs import OpenedRun
from agentos.run.budget import Spending
from agentos.run.records import RunOutput
from agentos.run.runnable import RunContext
from agentos.run.state import State
from agentos.runner.events.buffer import Logged
from agentos.runner.execution.steps import inline
from agentos.runner.settings import RunSettings


def _nothing(prefix: str) -> None:
    pass


@dataclass(slots=True)
class Execution:
    """A segment that was accepted or opened, to be executed here."""

    context: RunContext
    worker_id: str | None = None
    """The worker that stores its outcome."""
    segment: int = 0
    logged: Logged = field(default_factory=Logged)
    durable: bool = False
    is_new: bool = True
    """False if a run with the request's idempotency key already existed."""
    replay: Callable[[str], None] = _nothing
    """Does again what recorded steps with this prefix did to the state."""
    is_handed_over: bool = False
    """Whether another process has the run, or will get it: nothing more may be stored here."""
    settle: Callable[[], Awaitable[None]] | None = None
    """Stores an outcome that couldn't be stored because the database was unavailable for too long."""

    @property
    def run(self) -> RunOutput:
        """The run's record."""
        return self.context.run

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.context.run.run_id


def execution_of(
    settings: RunSettings, opened: OpenedRun, *, worker_id: str | None, logged: Logged | None = None
) -> Execution:
    """The segment that was opened in the database, or that starts without one."""
    return Execution(
        context_of(settings, opened),
        worker_id=worker_id,
        segment=opened.segment,
        logged=logged or Logged(),
        durable=opened.durable,
        is_new=opened.is_new,
    )


def context_of(settings: RunSettings, opened: OpenedRun) -> RunContext:
    """The runnable's context: the request overrides the runnable's own settings."""
    run, request = opened.run, opened.request
    return RunContext(
        run=run,
        request=request,
        steps=inline,
        state=State(opened.session_state),
        dependencies=request.dependencies_over(settings.dependencies),
        metadata=run.metadata or {},
        history=[] if request.history is False else opened.history,
        memories=opened.memories,
        output_schema=request.output_schema or settings.output_schema,
        spending=_spending(settings, run),
    )


def _spending(settings: RunSettings, run: RunOutput) -> Spending:
    """The consumption of earlier segments."""
    metrics = run.metrics
    turns = sum(message.role == "assistant" for message in run.messages)
    return Spending(
        settings.budget,
        tokens=metrics.total_tokens if metrics else 0,
        turns=turns,
        seconds=(metrics.duration if metrics else None) or 0,
    )
