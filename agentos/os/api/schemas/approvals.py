"""Approvals as JSON; times are epoch seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from agentos.db.contracts.approvals import Approval, ApprovalStatus, ApprovalType, PauseType, Resolution
from agentos.os.api.schemas.pages import PageQuery
from agentos.os.http.field_types import Id, JsonObject, RegisteredKind
from agentos.run.kinds import Kind
from agentos.run.records import RunStatus


class ApprovalsQuery(PageQuery):
    """Which approvals to list."""

    limit: int = Field(default=100, ge=1, le=1000)
    status: ApprovalStatus | None = None
    source_type: RegisteredKind | None = None
    approval_type: ApprovalType | None = None
    pause_type: PauseType | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None

    @property
    def sources(self) -> set[tuple[Kind, str | None]]:
        """What the runs must be of, by kind and id, all of it at once; empty: of anything."""
        kinds: dict[Kind, str | None] = {
            "agent": self.agent_id,
            "team": self.team_id,
            "workflow": self.workflow_id,
        }
        named: set[tuple[Kind, str | None]] = {(kind, id_) for kind, id_ in kinds.items() if id_ is not None}
        if self.source_type is not None and self.source_type not in dict(named):
            named.add((self.source_type, None))
        return named


class ApprovalResponse(BaseModel):
    """One tool call that is to be approved, and what became of it."""

    id: str
    run_id: str
    session_id: str
    status: ApprovalStatus
    source_type: Kind
    approval_type: ApprovalType | None = None
    pause_type: PauseType | None = None
    tool_name: str | None = None
    tool_args: dict[str, Any] | None = None
    expires_at: int | None = None
    """From then on it can't be approved any more."""
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    user_id: str | None = None
    """Who asked for the run, and may not approve of it."""
    source_name: str | None = None
    requirements: list[dict[str, Any]] | None = None
    context: dict[str, Any] | None = None
    resolution_data: dict[str, Any] | None = None
    resolved_by: str | None = None
    resolved_at: int | None = None
    created_at: int | None = None
    updated_at: int | None = None
    run_status: RunStatus | None = None

    @classmethod
    def of(cls, approval: Approval) -> ApprovalResponse:
        """The approval as shown."""
        fields = {"source_type": approval.kind, f"{approval.kind}_id": approval.runnable_id}
        return cls.model_validate({**asdict(approval), **fields})


class ApprovalStatusResponse(BaseModel):
    """What became of one approval."""

    approval_id: str
    status: ApprovalStatus
    run_id: str
    resolved_at: int | None = None
    resolved_by: str | None = None


class ApprovalCountResponse(BaseModel):
    """How many approvals are pending."""

    count: int


class ApprovalResolve(BaseModel):
    """A decision."""

    status: Resolution
    resolved_by: Id | None = None
    """Who decides, where there is no authentication that says so."""
    resolution_data: JsonObject | None = None
