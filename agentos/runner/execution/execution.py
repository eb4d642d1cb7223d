"""A run that was accepted, and how this process is to execute it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agentos.run.records import RunOutput
from agentos.run.runnable import RunContext
from agentos.runner.events.buffer import Logged


@dataclass(slots=True)
class Job:
    """One segment of a run."""

    context: RunContext
    executor_id: str | None = None
    """As whom its outcome is stored."""
    segment: int = 0
    logged: Logged = field(default_factory=Logged)
    durable: bool = False
    is_new: bool = True
    """False: the run was there already, under the request's idempotency key."""
    replaces: str | None = None
    """The run that becomes REGENERATED when this one is COMPLETED."""
    is_handed_over: bool = False
    """Another process has the run, or is to have it: nothing more may be stored here."""
    settle: Callable[[], Awaitable[None]] | None = None
    """Stores the outcome, which the database was away too long for."""

    @property
    def run(self) -> RunOutput:
        """The run's record."""
        return self.context.run

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.context.run.run_id
