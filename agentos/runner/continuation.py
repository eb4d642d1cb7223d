"""Runs that were accepted earlier: opened by another process, or continued with decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentos.run.events import RunPaused
from agentos.run.owner import Owner
from agentos.run.records import Json, RunOutput
from agentos.run.request import RunRequest
from agentos.run.requirement import decided
from agentos.run.wire import event_name
from agentos.runner.approvals import approved, note, stored_approvals
from agentos.runner.events.buffer import Logged
from agentos.runner.execution.execution import Execution, execution_of
from agentos.runner.settings import RunSettings

if TYPE_CHECKING:
    from agentos.db.base import Db


@dataclass(frozen=True, slots=True)
class Continuation:
    """A caller's request to continue a run that waits for a person."""

    answers: Sequence[object]
    """The run's calls with decisions, values or results filled in."""
    stream: bool = True
    background: bool = False
    dependencies: Mapping[str, Any] | None = None
    """Replaces the dependencies that the run was started with."""
    claims: Mapping[str, Any] | None = None
    """Replaces the `claims` of the stored request. None keeps them, and the two kinds of claims below."""
    dependency_claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Replaces the same field, if `claims` are given."""
    state_claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Replaces the same field, if `claims` are given."""
    asked_by: str | None = None
    """Who continues the run. They can't approve calls that result from it."""
    anyone: bool = False
    """Whether the run may access all users' rows from now on. A run without a user always may."""

    def changes(self, run: RunOutput) -> Json:
        """The changes to the stored request."""
        changes: Json = {"stream": self.stream, "anyone": self.anyone or run.user_id is None}
        if self.dependencies:
            changes["dependencies"] = dict(self.dependencies)
        if self.claims is not None:
            changes["claims"] = dict(self.claims)
            changes["dependency_claims"] = dict(self.dependency_claims)
            changes["state_claims"] = dict(self.state_claims)
        if self.asked_by is not None:
            changes["continued_by"] = self.asked_by
        return changes

    def request(self, run: RunOutput) -> RunRequest:
        """The request of a run that isn't stored."""
        return RunRequest.restored(run, self.changes(run))


async def open_execution(db: Db, settings: RunSettings, run_id: str, *, worker_id: str) -> Execution | None:
    """The segment of a stored run that was assigned to the worker; None if another worker has it by now."""
    opened = await db.open_run(run_id, worker_id=worker_id, reads=settings.reads())
    if opened is None:
        return None
    # Followers may have seen events up to the pause, though they weren't logged.
    logged = Logged(before=opened.run.last_seq or 0)
    if opened.last_seq:
        paused = event_name(RunPaused(), opened.run.kind)
        before, lines = await db.read_segment(run_id, paused=paused)
        logged = Logged(before=max(before, logged.before), lines=lines)
    return execution_of(settings, opened, worker_id=worker_id, logged=logged)


async def reopen(
    db: Db,
    run: RunOutput,
    continuation: Continuation,
    *,
    owner: Owner,
    worker_id: str | None,
    recorded: bool = True,
) -> None:
    """Continues a stored, paused run with decisions, at the worker or, without one, at any worker.

    ConflictError if it isn't paused any more, InvalidInputError if nothing is decided, ApprovalPendingError
    while an approver's decision is missing: a client's decision doesn't replace it.
    """
    stored = await stored_approvals(db, run, owner=owner)
    merged = decided(run, continuation.answers, approved=approved(stored))
    changes = continuation.changes(run)
    await db.reopen_run(merged, changes, owner=owner, worker_id=worker_id, recorded=recorded)
    await note(db, merged, stored, decided_by=continuation.asked_by, owner=owner)
