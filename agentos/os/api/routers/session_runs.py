"""The runs of a session."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import WithJsonSchema

from agentos.db.contracts.runs import RunQuery
from agentos.errors import BadRequestError, NotFoundError
from agentos.os.api.schemas.runs import RunPreview, RunSchema
from agentos.os.deps import Reader, SessionId, SessionsDb, Type, WithNested, find_session
from agentos.os.http.field_types import MAX_ID
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.run.records import RunOutput, RunStatus

router = APIRouter(tags=["sessions"], route_class=ProblemRoute, responses=responses(400, 404, 409, 422, 503))

RunsRead = Callable[..., Coroutine[Any, Any, list[RunOutput]]]
"""`Db.list_runs` for one session: takes a `RunQuery`, and `messages`."""

MAX_RUNS = 100
"""Runs in one answer."""
MAX_SECONDS = 253402300799
"""The last second of the year 9999."""
Seconds = Annotated[
    int | None, Query(ge=0, le=MAX_SECONDS, description="When runs were accepted: epoch seconds, inclusive.")
]
Status = Annotated[str, WithJsonSchema({"type": "string", "enum": [status.value for status in RunStatus]})]
Limit = Annotated[int, Query(ge=1, le=MAX_RUNS, description="How many runs; the newest that there are.")]
Cursor = Annotated[
    str | None,
    Query(description="As in the `Link` of the page before: the runs before this one.", max_length=MAX_ID),
]


@dataclass(frozen=True, slots=True)
class RunsWindow:
    """Which of the runs to answer."""

    limit: int
    cursor: str | None

    async def read(
        self, request: Request, response: Response, query: RunQuery, runs: RunsRead
    ) -> list[RunOutput]:
        """The newest runs before the cursor, oldest first. A `Link` leads to those before them (RFC 8288)."""
        found = await runs(replace(query, limit=self.limit + 1, before=self.cursor))
        if len(found) <= self.limit:
            return found
        shown = found[1:]
        url = request.url.include_query_params(limit=self.limit, cursor=shown[0].run_id)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return shown


async def window(limit: Limit = MAX_RUNS, cursor: Cursor = None) -> RunsWindow:
    """The window that the query asks for."""
    return RunsWindow(limit, cursor)


Window = Annotated[RunsWindow, Depends(window)]


async def runs_query(
    created_after: Seconds = None,
    created_before: Seconds = None,
    status: Annotated[list[Status] | None, Query(description="Only runs that stand here.")] = None,
) -> RunQuery:
    """The runs that the query asks for."""
    statuses = _statuses(status or [])
    return RunQuery(statuses=statuses, created_after=created_after, created_before=created_before)


async def runs_of(
    session_id: SessionId,
    db: SessionsDb,
    owner: Reader,
    type: Type = None,  # noqa: A002 - the wire's word
    nested: WithNested = False,
) -> RunsRead:
    """Reads runs of the session."""
    await find_session(db, session_id, owner, type)
    return partial(db.list_runs, session_id, owner=owner, nested=nested)


def _statuses(names: list[str]) -> list[RunStatus]:
    known = {status.value: status for status in RunStatus}
    if unknown := [name for name in names if name not in known]:
        raise BadRequestError(f"Invalid status value(s) {unknown}; expected one of {list(known)}")
    return [known[name] for name in names]


Asked = Annotated[RunQuery, Depends(runs_query)]
Runs = Annotated[RunsRead, Depends(runs_of)]


@router.get(
    "/sessions/{session_id}/runs",
    operation_id="get_session_runs",
    summary="List a session's runs",
    response_model_exclude_none=True,
)
async def list_runs(
    request: Request, response: Response, query: Asked, runs: Runs, window: Window
) -> list[RunSchema]:
    """The newest runs of the session, oldest first."""
    return [RunSchema.of(run) for run in await window.read(request, response, query, runs)]


@router.get(
    "/sessions/{session_id}/run-previews",
    operation_id="get_session_run_previews",
    summary="List previews of a session's runs",
    response_model_exclude_none=True,
)
async def list_previews(
    request: Request, response: Response, query: Asked, runs: Runs, window: Window
) -> list[RunPreview]:
    """The newest runs of the session, shortened for a preview, oldest first."""
    found = await window.read(request, response, query, partial(runs, messages=False))
    return [RunPreview.of(run) for run in found]


@router.get(
    "/sessions/{session_id}/runs/{run_id}",
    operation_id="get_session_run",
    summary="Get a run of a session",
)
async def get_run(
    session_id: SessionId,
    run_id: Annotated[str, Path(description="The run's id.")],
    db: SessionsDb,
    owner: Reader,
    type: Type = None,  # noqa: A002 - the wire's word
) -> RunSchema:
    """One run: its input and its result."""
    await find_session(db, session_id, owner, type)
    run = await db.get_run(run_id, owner=owner, session_id=session_id)
    if run is None:
        raise NotFoundError("Run", run_id)
    return RunSchema.of(run)
