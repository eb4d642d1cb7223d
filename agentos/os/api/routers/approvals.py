"""Approvals: list pending calls, and decide them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from agentos.db.base import Db
from agentos.db.contracts.approvals import Approval, ApprovalQuery
from agentos.db.contracts.pages import Page
from agentos.errors import NotConfiguredError, NotFoundError
from agentos.os.api.schemas.approvals import (
    ApprovalCountResponse,
    ApprovalFilter,
    ApprovalResolve,
    ApprovalResponse,
    ApprovalStatusResponse,
)
from agentos.os.api.schemas.pages import Paginated, Stopwatch, paginated
from agentos.os.deps import Reader, Writer, server_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import OPEN, AccessDeniedError, access_of
from agentos.os.tokens.service_accounts import is_account
from agentos.run.owner import Owner

router = APIRouter(
    tags=["approvals"], prefix="/approvals", route_class=ProblemRoute, responses=responses(404, 422, 503)
)


async def approvals_db(
    request: Request,
    db_id: Annotated[str | None, Query(description="Which database; without it, the server's own.")] = None,
) -> Db:
    """The database that stores the approvals."""
    registry = server_of(request).registry
    if registry.default_db is None:
        raise NotConfiguredError("Approvals need a database: pass db=… to AgentOS")
    if db_id is None:
        return registry.default_db
    found = next((db for db in registry.dbs if db.id == db_id), None)
    if found is None:
        raise NotFoundError("Database", db_id)
    return found


ApprovalsDb = Annotated[Db, Depends(approvals_db)]
ApprovalId = Annotated[str, Path(description="The approval's id.")]


@router.get("", operation_id="list_approvals", summary="List the approvals")
async def list_approvals(
    request: Request, owner: Reader, db: ApprovalsDb, query: Annotated[ApprovalFilter, Query()]
) -> Paginated[ApprovalResponse]:
    """A page of the approvals that the caller may see, newest first."""
    watch, sources = Stopwatch(), query.sources
    if len(sources) > 1:
        nothing: Page[Approval] = Page(rows=[], total=0)
        return paginated(nothing, query, ApprovalResponse.of, since=watch)
    kind, runnable_id = next(iter(sources), (None, None))
    page = await db.list_approvals(
        ApprovalQuery(
            status=query.status,
            kind=kind,
            runnable_id=runnable_id,
            approval_type=query.approval_type,
            pause_type=query.pause_type,
            session_id=access_of(request.scope).session(None),
            run_id=query.run_id,
            limit=query.limit,
            page=query.page,
            cursor=query.cursor,
        ),
        owner=owner,
    )
    return paginated(page, query, ApprovalResponse.of, since=watch)


@router.get("/count", operation_id="get_approval_count", summary="Count pending approvals")
async def count_approvals(request: Request, owner: Reader, db: ApprovalsDb) -> ApprovalCountResponse:
    """Counts the pending approvals that the caller may see."""
    session_id = access_of(request.scope).session(None)
    return ApprovalCountResponse(count=await db.count_approvals(owner=owner, session_id=session_id))


@router.get("/{approval_id}", operation_id="get_approval", summary="Get an approval")
async def get_approval(
    request: Request, approval_id: ApprovalId, owner: Reader, db: ApprovalsDb
) -> ApprovalResponse:
    """One approval and its decision."""
    return ApprovalResponse.of(await _find(request, db, approval_id, owner))


@router.get(
    "/{approval_id}/status", operation_id="get_approval_status", summary="Get the status of an approval"
)
async def get_approval_status(
    request: Request, approval_id: ApprovalId, owner: Reader, db: ApprovalsDb
) -> ApprovalStatusResponse:
    """The status, for clients that wait for a decision."""
    approval = await _find(request, db, approval_id, owner)
    return ApprovalStatusResponse(
        approval_id=approval.id,
        status=approval.status,
        run_id=approval.run_id,
        resolved_at=approval.resolved_at,
        resolved_by=approval.resolved_by,
    )


@router.post(
    "/{approval_id}/resolve",
    operation_id="resolve_approval",
    summary="Approve or reject a call",
    responses=responses(409),
)
async def resolve_approval(
    request: Request, approval_id: ApprovalId, owner: Writer, db: ApprovalsDb, body: ApprovalResolve
) -> ApprovalResponse:
    """Decides a pending approval, once. Approving needs an identity that hasn't requested the call.

    A service account and its creator count as one.
    """
    access = access_of(request.scope)
    approval = await _find(request, db, approval_id, owner)
    if body.status == "approved":
        told = "You have asked for this yourself: somebody else must approve it."
        await _refuse_own(request, approval, told)
    resolved = await db.resolve_approval(
        approval_id,
        status=body.status,
        resolved_by=access.principal.user_id,
        resolution_data=body.resolution_data,
        owner=owner,
    )
    if resolved is None:
        raise NotFoundError("Approval", approval_id)
    return ApprovalResponse.of(resolved)


@router.delete(
    "/{approval_id}", operation_id="delete_approval", summary="Delete an approval", status_code=204
)
async def delete_approval(request: Request, approval_id: ApprovalId, owner: Writer, db: ApprovalsDb) -> None:
    """Deletes an approval. A run that waits for it keeps waiting until it is cancelled.

    Users who requested the call can't delete a decided approval, since their run would request it again.
    """
    approval = await _find(request, db, approval_id, owner)
    if approval.status != "pending":
        await _refuse_own(request, approval, "You have asked for this yourself: it is on record.")
    if not await db.delete_approval(approval_id, owner=owner):
        raise NotFoundError("Approval", approval_id)


async def _find(request: Request, db: Db, approval_id: str, owner: Owner) -> Approval:
    approval = await db.get_approval(approval_id, owner=owner)
    if approval is None or not access_of(request.scope).may_enter(approval.session_id):
        raise NotFoundError("Approval", approval_id)
    return approval


async def _refuse_own(request: Request, approval: Approval, told: str) -> None:
    """AccessDeniedError unless the caller is known not to have requested the call."""
    access = access_of(request.scope)
    if access is OPEN:
        return
    user_id = access.principal.user_id
    if user_id is None:
        raise AccessDeniedError(
            "An approval needs an identity: use a token with a subject, or a service account's.",
            code="no_identity",
            decision=access.decision,
        )
    accounts = server_of(request).registry.default_db
    assert accounts is not None, "approvals_db has checked it"
    callers, askers = {user_id}, approval.asked_by
    if any(is_account(each) for each in (user_id, *askers)):
        callers, askers = await accounts.with_creators(callers), await accounts.with_creators(askers)
    if callers & askers:
        raise AccessDeniedError(told, code="own_approval", decision=access.decision)
