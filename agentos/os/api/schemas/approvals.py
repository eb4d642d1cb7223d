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
    """Only those that wait for an approver (`required`), or are on record only (`audit`)."""
    pause_type: PauseType | None = None
    """Only those that wait for this."""
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
        """What the runs must be of, by kind and id, all of it at once; empty: of anything."""
        ids: dict[Kind, str | None] = {kind: getattr(self, f"{kind}_id", None) for kind in KINDS}
        named: set[tuple[Kind, str | None]] = {(kind, id_) for kind, id_ in ids.items() if id_ is not None}
        if self.source_type is not None and self.source_type not in dict(named):
            named.add((self.source_type, None))
        return named


class ApprovalResponse(OfRunnable):
    """One tool call that is to be approved, and what became of it."""

    id: str
    """The approval's id."""
    run_id: str
    """The run that asks."""
    session_id: str
    """The run's session."""
    status: ApprovalStatus
    """Where the approval stands."""
    source_type: Kind
    """The kind of what runs."""
    approval_type: ApprovalType | None = None
    """Whether an approver must agree (`required`), or the decision is on record only (`audit`)."""
    pause_type: PauseType | None = None
    """What the run waits for."""
    tool_name: str | None = None
    """The tool to be called."""
    tool_args: dict[str, Any] | None = None
    """The call's arguments."""
    expires_at: int | None = None
    """From then on it can't be approved any more."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    user_id: str | None = None
    """Who asked for the run, and may not approve of it."""
    source_name: str | None = None
    """The name of what runs."""
    requirements: list[dict[str, Any]] | None = None
    """What the run waits for, as the run shows it."""
    context: dict[str, Any] | None = None
    """Who else has asked: `asked_by`."""
    resolution_data: dict[str, Any] | None = None
    """What the approver added."""
    resolved_by: str | None = None
    """Who decided."""
    resolved_at: int | None = None
    """When that was."""
    created_at: int | None = None
    """When it was asked for."""
    updated_at: int | None = None
    """When it last changed."""
    run_status: RunStatus | None = None
    """Where the run stands now."""

    @classmethod
    def of(cls, approval: Approval) -> ApprovalResponse:
        """The approval as shown."""
        fields = {**asdict(approval), "source_type": approval.kind}
        return cls.shown(approval.kind, approval.runnable_id, fields)


class ApprovalStatusResponse(ApiModel):
    """What became of one approval."""

    approval_id: str
    """The approval's id."""
    status: ApprovalStatus
    """Where it stands."""
    run_id: str
    """The run that asks."""
    resolved_at: int | None = None
    """When it was decided."""
    resolved_by: str | None = None
    """Who decided."""


class ApprovalCountResponse(ApiModel):
    """How many approvals are pending."""

    count: int
    """Of those that the caller may see."""


class ApprovalResolve(ApiModel):
    """A decision."""

    status: Resolution
    """The decision."""
    resolved_by: Id | None = None
    """Who decides, where there is no authentication that says so."""
    resolution_data: JsonObject | None = None
    """What the approver adds, for the record."""
