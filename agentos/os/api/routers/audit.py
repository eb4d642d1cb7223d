"""What was denied, and what was changed, by whom; for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from agentos.db.contracts.audit import AuditQuery
from agentos.errors import NotConfiguredError
from agentos.os.api.schemas.audit import AuditFilter, AuditRow
from agentos.os.api.schemas.pages import Paginated, Stopwatch, paginated
from agentos.os.deps import server_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses

router = APIRouter(tags=["authorization"], route_class=ProblemRoute, responses=responses(422, 503))


@router.get("/audit", operation_id="get_audit", summary="List denials and allowed writes")
async def list_audit(request: Request, query: Annotated[AuditFilter, Query()]) -> Paginated[AuditRow]:
    """A page of the audit, the latest rows first. A request's row may come a moment after its answer."""
    watch = Stopwatch()
    db = server_of(request).registry.default_db
    if db is None:
        raise NotConfiguredError("The audit needs a database: pass db=… to AgentOS")
    page = await db.list_audit(AuditQuery(**query.model_dump()))
    return paginated(page, query, AuditRow.of, since=watch)
