"""Runs as things that processes hold and lose.

A process that executes runs has a `worker_id` and beats every few seconds. A RUNNING run belongs to one
worker, and only that one may add to its log or finish it: a process that was taken for dead and wakes up
again changes nothing. A PENDING run without a worker is anybody's to claim; one with a worker is its alone (a
caller is waiting there). A worker that has never beaten counts as dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentos.kinds import Kind

Cancelling = Literal["cancel", "rollback"]
"""How a run is to end: as CANCELLED, or as if it had never been."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many background runs may execute at once, over all processes; None is no limit."""

    total: int | None = None
    per_runnable: int | None = None
    per_user: int | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run that has become a worker's."""

    run_id: str
    kind: Kind
    runnable_id: str
    segment: int
    """How often it has been continued after a pause: 0, 1, 2 …"""
    durable: bool
    cancelling: Cancelling | None = None
    """Somebody wants it to end."""
