"""The runs of a worker, each in one state.

ANNOUNCED   to be cancelled, but not this worker's yet; dropped after a while
GIVEN       this worker's in the database, waiting to be started here
BEGINNING   being opened, or waiting for the durable runtime to call for it
EXECUTING   a live task
UNSETTLED   finished, but its outcome couldn't be stored yet

                ┌───────── the database was away ────────┐
                ▼                                        │
(none) ──────► GIVEN ──────────────────────────────► BEGINNING ──► EXECUTING ──► (none)
   │                                                     ▲            │ ▲
   └─── accepted here, or called for by the runtime ─────┘            ▼ │ settled
ANNOUNCED is overtaken by any of them                              UNSETTLED ──► (none)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic

from agentos.db.contracts.workers import Assignment
from agentos.runner.execution.execution import Execution
from agentos.runner.execution.live_runs import LiveRun

ANNOUNCED_SECONDS = 30.0
"""How long a cancellation is remembered for a run that isn't this worker's yet."""


class RunState(Enum):
    """The state of a run at its worker."""

    ANNOUNCED = auto()
    GIVEN = auto()
    BEGINNING = auto()
    EXECUTING = auto()
    UNSETTLED = auto()


@dataclass(slots=True)
class HeldRun:
    """One run, with the data of its state."""

    state: RunState
    since: float
    assignment: Assignment | None = None
    """GIVEN: the assignment read from the database."""
    is_orphan: bool = False
    """GIVEN: its process died."""
    execution: Execution | None = None
    """BEGINNING: set if the run was accepted here. UNSETTLED: holds the outcome."""
    launched: asyncio.Future[LiveRun] | None = None
    """BEGINNING: the caller that accepted the run waits for this."""
    is_unwanted: bool = False
    """To be cancelled as soon as it executes."""


class HeldRuns:
    """Runs by id; each is in one state at a time."""

    def __init__(self) -> None:
        self._runs: dict[str, HeldRun] = {}

    def put(self, run_id: str, state: RunState) -> HeldRun:
        """Moves the run into a state. A requested cancellation is kept."""
        before = self._runs.get(run_id)
        is_unwanted = before is not None and before.is_unwanted and not _is_stale(before)
        held = self._runs[run_id] = HeldRun(state, monotonic(), is_unwanted=is_unwanted)
        return held

    def get(self, run_id: str, state: RunState) -> HeldRun | None:
        """The run, if it is in that state."""
        held = self._runs.get(run_id)
        return held if held is not None and held.state is state else None

    def drop(self, run_id: str, held: HeldRun) -> None:
        """Drops the run, unless its state has changed meanwhile."""
        if self._runs.get(run_id) is held:
            del self._runs[run_id]

    def cancel(self, run_id: str) -> None:
        """Requests cancellation of a run, also before it is this worker's."""
        self._runs = {each: held for each, held in self._runs.items() if not _is_stale(held)}
        held = self._runs.get(run_id) or self.put(run_id, RunState.ANNOUNCED)
        held.is_unwanted = True

    def count(self, *states: RunState) -> int:
        """The number of runs in these states."""
        return sum(held.state in states for held in self._runs.values())

    def among(self, *states: RunState) -> Iterator[tuple[str, HeldRun]]:
        """The runs in these states."""
        return ((run_id, held) for run_id, held in list(self._runs.items()) if held.state in states)


def _is_stale(held: HeldRun) -> bool:
    return held.state is RunState.ANNOUNCED and monotonic() - held.since > ANNOUNCED_SECONDS
