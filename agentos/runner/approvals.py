"""Approvals of a paused run: created when it pauses, checked when it continues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time
from typing import TYPE_CHECKING

from agentos.db.contracts.approvals import Approval
from agentos.errors import ApprovalPendingError
from agentos.run.messages import ToolExecution
from agentos.run.owner import Owner
from agentos.run.records import RunOutput
from agentos.run.requirement import RunRequirement

if TYPE_CHECKING:
    from agentos.db.base import Db


def asked(run: RunOutput) -> list[Approval]:
    """The approvals that a pausing run needs, or that record its user's decisions.

    A call isn't submitted for approval until its user has given the requested arguments. Nested runs create
    their own approvals.
    """
    return [
        _approval(run, each)
        for each in run.active_requirements
        if each.member_run_id is None
        and each.tool_execution.approval_id
        and not (each.tool_execution.approval_type == "required" and each.needs_user_input)
    ]


async def stored_approvals(db: Db, run: RunOutput, *, owner: Owner) -> list[Approval]:
    """The approvals of the paused run and of the nested runs that it waits for."""
    nested = [each.member_run_id for each in _nested(run) if each.member_run_id is not None]
    return await db.approvals_of([run.run_id, *nested], owner=owner)


def approved(stored: Sequence[Approval]) -> Mapping[str, bool | None]:
    """The decisions by approval. ApprovalPendingError if a required one is missing."""
    required = [each for each in stored if each.approval_type == "required"]
    for each in required:
        if each.status == "pending":
            raise ApprovalPendingError(
                "This run requires admin approval before it can be continued:"
                f" someone else must resolve approval {each.id!r}."
            )
    return {each.id: each.status == "approved" for each in required}


async def note(
    db: Db, run: RunOutput, stored: Sequence[Approval], *, decided_by: str | None, owner: Owner
) -> None:
    """Records the decisions of whoever continued the run on calls whose approval is record-only."""
    tools: list[ToolExecution] = [*run.tools, *(each.tool_execution for each in _nested(run))]
    calls = {tool.approval_id: tool for tool in tools if not tool.is_waiting}
    for each in stored:
        call = calls.get(each.id)
        if each.approval_type == "audit" and each.status == "pending" and call is not None:
            await db.resolve_approval(
                each.id,
                status="rejected" if call.confirmed is False else "approved",
                resolved_by=decided_by,
                owner=owner,
            )


def _nested(run: RunOutput) -> list[RunRequirement]:
    return [each for requirements in run.child_requirements.values() for each in requirements]


def _approval(run: RunOutput, requirement: RunRequirement) -> Approval:
    tool = requirement.tool_execution
    assert tool.approval_id is not None
    seconds = tool.approval_expires_in
    return Approval(
        id=tool.approval_id,
        run_id=run.run_id,
        tool_call_id=tool.tool_call_id,
        approval_type="audit" if tool.approval_type == "audit" else "required",
        pause_type=requirement.pause_type,
        tool_name=tool.tool_name,
        tool_args=tool.tool_args,
        expires_at=None if seconds is None else int(time() + seconds),
        source_name=run.runnable_name,
        requirements=[requirement.shown(mode="json")],
    )
