"""Authorization itself: explanations of decisions, the scopes of every route, and the audit."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request

from agentos.db.contracts.audit import AuditQuery
from agentos.errors import NotConfiguredError
from agentos.os.api.schemas.audit import AuditFilter, AuditRow
from agentos.os.api.schemas.authz import ExplanationResponse, MatrixRow, ShadowResponse
from agentos.os.api.schemas.pages import Paginated, Stopwatch, paginated
from agentos.os.auth.explain import explain
from agentos.os.deps import server_of
from agentos.os.http.lookup import asked, every, path_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.policy.matrix import rows
from agentos.os.principal import Principal, access_of

MAX_PATH = 1024
MAX_SCOPES = 4096
"""Characters of the list of scopes. With the percent-encoded path it fits into a 64 KiB request head."""

router = APIRouter(tags=["authorization"], route_class=ProblemRoute)


@router.get(
    "/authz/explain",
    operation_id="explain_access",
    summary="Explain how a request would be answered",
    responses=responses(422),
)
async def explain_access(
    request: Request,
    method: Annotated[str, Query(pattern="^[A-Za-z]{1,20}$", description="GET, for a WebSocket too.")],
    path: Annotated[str, Query(pattern="^/", max_length=MAX_PATH, description="Without a query.")],
    scopes: Annotated[
        str | None,
        Query(max_length=MAX_SCOPES, description="Separated by spaces; only admins may ask about others'."),
    ] = None,
) -> ExplanationResponse:
    """Explains the response that the caller, or a user who holds `scopes`, would get."""
    access = access_of(request.scope)
    if scopes is not None:
        access.demand_admin()
        somebody = Principal(user_id="somebody", scopes=frozenset(scopes.split()))
        access = replace(access, principal=somebody)
    found = asked(request.app, method.upper(), path, root_path=request.scope.get("root_path", ""))
    bare = path_of({**request.scope, "path": path})
    explanation = explain(access, method.upper(), bare, is_ours=found.is_ours, is_foreign=found.is_foreign)
    return ExplanationResponse.of(explanation, method.upper(), found)


@router.get("/authz/matrix", operation_id="get_scope_matrix", summary="List every route with its scopes")
def matrix(request: Request) -> list[MatrixRow]:
    """Every route of the app, with its requirements and the deciding rule."""
    policy = access_of(request.scope).policy
    return [MatrixRow.of(row) for row in rows(policy, every(request.app))]


@router.get("/authz/shadow", operation_id="get_shadow_report", summary="Compare the map with a second one")
async def shadow(request: Request) -> ShadowResponse:
    """What the map in `shadow_scope_mappings` would newly allow or deny. It is not enforced.

    Each process counts separately.
    """
    return ShadowResponse.of(access_of(request.scope).shadow)


@router.get(
    "/audit",
    operation_id="get_audit",
    summary="List denials and allowed writes",
    responses=responses(422, 503),
)
async def list_audit(request: Request, query: Annotated[AuditFilter, Query()]) -> Paginated[AuditRow]:
    """A page of the audit, newest first. A request's row may appear shortly after its response."""
    watch = Stopwatch()
    db = server_of(request).registry.default_db
    if db is None:
        raise NotConfiguredError("The audit needs a database: pass db=… to AgentOS")
    page = await db.list_audit(AuditQuery(**query.model_dump()))
    return paginated(page, query, AuditRow.of, since=watch)
