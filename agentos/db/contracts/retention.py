"""How much housekeeping has deleted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were deleted, or would be; `workflows` are the records of durable runs."""

    sessions: int = 0
    runs: int = 0
    events: int = 0
    approvals: int = 0
    workflows: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            self.sessions + other.sessions,
            self.runs + other.runs,
            self.events + other.events,
            self.approvals + other.approvals,
            self.workflows + other.workflows,
        )
