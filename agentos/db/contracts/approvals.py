"""Approvals: calls of a run that someone other than its user must allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agentos.db.contracts.pages import Paging
from agentos.kinds import Kind
from agentos.run.records import Json, RunStatus
from agentos.run.requirement import ApprovalType, PauseType

ApprovalStatus = Literal["pending", "approved", "rejected", "expired", "cancelled"]
"""`expired`: not decided in time. `cancelled`: the run ended before a decision."""
Resolution = Literal["approved", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One tool call that needs approval, and the decision. Times are epoch seconds."""

    id: str
    """The same whenever the same call is requested again."""
    run_id: str
    tool_call_id: str
    status: ApprovalStatus = "pending"
    approval_type: ApprovalType = "required"
    pause_type: PauseType | None = None
    tool_name: str | None = None
    tool_args: Json | None = None
    expires_at: int | None = None
    """When a pending approval expires; None: it waits as long as its run."""
    source_name: str | None = None
    """The name of the runnable."""
    requirements: list[Json] | None = None
    context: Json | None = None
    """`asked_by`: users besides the run's own who requested the call; set by storage."""
    resolution_data: Json | None = None
    resolved_by: str | None = None
    resolved_at: int | None = None
    session_id: str = ""
    """This field, `kind`, `runnable_id` and `user_id` are copied from the run by storage."""
    kind: Kind = "agent"
    runnable_id: str = ""
    user_id: str | None = None
    """The run's user, who may not approve the call."""
    created_at: int | None = None
    updated_at: int | None = None
    run_status: RunStatus | None = None
    """Current status of the run."""

    @property
    def asked_by(self) -> set[str]:
        """Who requested the call: the run's user, who started it for them, and who continued it last."""
        named: list[str] = (self.context or {}).get("asked_by", [])
        return {*named, *([] if self.user_id is None else [self.user_id])}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalQuery(Paging):
    """Which approvals to list, newest first. `user_id` never widens what `owner` may see."""

    status: ApprovalStatus | None = None
    kind: Kind | None = None
    runnable_id: str | None = None
    approval_type: ApprovalType | None = None
    pause_type: PauseType | None = None
    user_id: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    limit: int = 100
