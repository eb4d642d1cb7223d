"""Approvals as JSON; times are epoch seconds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import Field

from agentos.db.contracts.approvals import Approval, ApprovalStatus, ApprovalType, PauseType, Resolution
from agentos.kinds import KINDS, Kind
from agentos.os.api.schemas.pages import PageQuery
from agentos.os.api.schemas.runnables import OfRunnable
from agentos.os.api_model import ApiModel
from agentos.os.http.field_types import Id, JsonObject, RegisteredKind
from agentos.run.records import RunStatus


class ApprovalFilter(PageQuery):
    """Which approvals to list."""

    limit: int = Field(default=100, ge=1, le=1000)
    """Rows a page may hold."""
    status: ApprovalStatus | None = None
    """Only those in this state."""
    source_type: RegisteredKind | None = None
    """Only those of runs of this kind."""
    approval_type: ApprovalType | None = None
    """Only those that wait for an approver (`required`), or that are only recorded (`audit`)."""
    pause_type: PauseType | None = None
    """Only those that wait for this kind of input."""
    agent_id: str | None = None
    """Only those of this agent's runs."""
    team_id: str | None = None
    """Only those of this team's runs."""
    workflow_id: str | None = None
    """Only those of this workflow's runs."""
    run_id: str | None = None
    """Only those of this run."""

    @property
    def sources(self) -> set[tuple[Kind, str | None]]:
        """Filters on the runnable of the run, by kind and id; all must match. Empty: no filter."""
        ids: dict[Kind, str | None] = {kind: getattr(self, f"{kind}_id", None) for kind in KINDS}
        named: set[tuple[Kind, str | None]] = {(kind, id_) for kind, id_ in ids.items() if id_ is not None}
        if self.source_type is not None and self.source_type not in dict(named):
            named.add((self.source_type, None))
        return named


class ApprovalResponse(OfRunnable):
    """One tool call that needs approval, and its decision."""

    id: str
    """The approval's id."""
    run_id: str
    """The run that made the call."""
    session_id: str
    """The run's session."""
    status: ApprovalStatus
    """Status of the approval."""
    source_type: Kind
    """The kind of the runnable."""
    approval_type: ApprovalType | None = None
    """Whether an approver must decide (`required`), or the decision is only recorded (`audit`)."""
    pause_type: PauseType | None = None
    """What the run waits for."""
    tool_name: str | None = None
    """The tool that the call uses."""
    tool_args: dict[str, Any] | None = None
    """The call's arguments."""
    expires_at: int | None = None
    """When a pending approval expires."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    user_id: str | None = None
    """The run's user, who may not approve the call."""
    source_name: str | None = None
    """The name of the runnable."""
    requirements: list[dict[str, Any]] | None = None
    """What the run waits for, in the format of the run."""
    context: dict[str, Any] | None = None
    """Other users who requested the call: `asked_by`."""
    resolution_data: dict[str, Any] | None = None
    """Data from the approver."""
    resolved_by: str | None = None
    """Who decided, by their token; null if the server has no authentication."""
    resolved_at: int | None = None
    """When it was decided."""
    created_at: int | None = None
    """When it was requested."""
    updated_at: int | None = None
    """When it last changed."""
    run_status: RunStatus | None = None
    """Current status of the run."""

    @classmethod
    def of(cls, approval: Approval) -> ApprovalResponse:
        """The approval as shown."""
        fields = {**asdict(approval), "source_type": approval.kind}
        return cls.shown(approval.kind, approval.runnable_id, fields)


class ApprovalStatusResponse(ApiModel):
    """The decision on one approval."""

    approval_id: str
    """The approval's id."""
    status: ApprovalStatus
    """Status of the approval."""
    run_id: str
    """The run that made the call."""
    resolved_at: int | None = None
    """When it was decided."""
    resolved_by: str | None = None
    """Who decided."""


class ApprovalCountResponse(ApiModel):
    """How many approvals are pending."""

    count: int
    """The number of pending approvals that the caller may see."""


class ApprovalResolve(ApiModel):
    """A decision."""

    status: Resolution
    """The decision."""
    resolved_by: Id | None = None
    """Ignored: who decides is known from the token. Existing clients send it."""
    resolution_data: JsonObject | None = None
    """Data from the approver, for the record."""
