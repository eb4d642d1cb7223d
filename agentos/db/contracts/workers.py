"""Workers and the runs assigned to them.

A process that executes runs has a `worker_id` and reports every few seconds that it is alive. A RUNNING run
belongs to one worker, and only that worker may append to its log or finish it: a worker that was presumed
dead and resumes can't change anything. A PENDING run without a worker can be claimed by any; one with a
worker belongs to that worker, where a caller is waiting. A worker that has never reported counts as dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentos.kinds import Kind

BEAT_SECONDS = 5.0
"""How often a worker reports that it is alive."""
Cancelling = Literal["cancel", "rollback"]
"""How to end a run: as CANCELLED, or by deleting it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many background runs may execute at once, across all processes; None is no limit."""

    total: int | None = None
    per_runnable: int | None = None
    per_user: int | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run that was assigned to a worker."""

    run_id: str
    kind: Kind
    runnable_id: str
    segment: int
    """How often the run has been continued after a pause."""
    durable: bool
    cancelling: Cancelling | None = None
    """Set if the run is to be cancelled."""
    takeovers: int = 0
    """How often its worker died at the step that it is at; known if it was taken over."""
