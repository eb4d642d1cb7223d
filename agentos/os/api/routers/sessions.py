"""Sessions: list, read, create, change and delete them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from agentos.db.base import Db
from agentos.db.contracts.runs import RunQuery
from agentos.db.contracts.sessions import SessionChange, SessionQuery
from agentos.errors import NotFoundError
from agentos.kinds import Kind
from agentos.os.api.routers.session_runs import MAX_RUNS
from agentos.os.api.schemas.pages import Paginated, Stopwatch, paginated
from agentos.os.api.schemas.runs import messages
from agentos.os.api.schemas.sessions import (
    CreateSession,
    DeleteSessions,
    RenameSession,
    SessionDetail,
    SessionFilter,
    SessionSchema,
    UpdateSession,
)
from agentos.os.deps import Reader, SessionId, SessionsDb, Type, Writer, acting_for, find_session, owner_of
from agentos.os.http.field_types import RegisteredKind
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import access_of
from agentos.run.owner import Owner
from agentos.run.records import Session

router = APIRouter(tags=["sessions"], route_class=ProblemRoute, responses=responses(400, 404, 409, 422, 503))


_MEDIA_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""Whatever somebody has sent, a browser neither shows it as a page of this server nor guesses what it is."""
_STATED = {"image/gif", "image/jpeg", "image/png", "image/webp", "application/pdf", "text/plain", "text/csv"}
"""Types that a response states. Anything else is sent as `application/octet-stream`."""

IfNoneMatch = Annotated[str | None, Header(description="The `ETag` of what the client has.")]
Key = Annotated[
    str, Path(pattern="^[0-9a-f]{64}$", description="The `key` of an image or a file in a message.")
]


@router.get(
    "/sessions", operation_id="get_sessions", summary="List the sessions", response_model_exclude_none=True
)
async def list_sessions(
    request: Request, db: SessionsDb, query: Annotated[SessionFilter, Query()]
) -> Paginated[SessionSchema]:
    """A page of the sessions that the caller may see, without their runs."""
    watch, access = Stopwatch(), access_of(request.scope)
    page = await db.list_sessions(
        SessionQuery(
            kind=query.type,
            runnable_id=query.component_id,
            session_id=access.session(None),
            session_name=query.session_name,
            limit=query.limit,
            page=query.page,
            cursor=query.cursor,
            sort_by=query.sort_by,
            descending=query.sort_order == "desc",
        ),
        owner=owner_of(access, query.user_id, write=False),
    )
    return paginated(page, query, SessionSchema.of, since=watch)


@router.post(
    "/sessions",
    operation_id="create_session",
    summary="Create an empty session",
    status_code=201,
    response_model_exclude_none=True,
    responses=responses(409),
)
async def create_session(
    request: Request,
    db: SessionsDb,
    type: Annotated[RegisteredKind, Query(description="What will run in it.")] = "agent",  # noqa: A002 - the wire's word
    body: CreateSession | None = None,
) -> SessionDetail:
    """Creates a session. 409 if the id is taken."""
    body, access = body or CreateSession(), access_of(request.scope)
    owner, user_id = acting_for(access, body.user_id)
    now = datetime.now(UTC)
    session = Session(
        session_id=access.session(body.session_id) or str(uuid4()),
        kind=type,
        runnable_id=getattr(body, f"{type}_id", None),
        user_id=user_id,
        session_name=body.session_name,
        session_state=access.session_state(body.session_state or {}),
        metadata=body.metadata,
        created_at=now,
        updated_at=now,
    )
    return SessionDetail.of(await db.create_session(session, owner=owner), [])


@router.delete(
    "/sessions", operation_id="delete_sessions", summary="Delete several sessions", status_code=204
)
async def delete_sessions(request: Request, body: DeleteSessions, db: SessionsDb, owner: Writer) -> None:
    """Deletes the caller's sessions among these, with their runs. Others are left alone without an error."""
    access = access_of(request.scope)
    await db.delete_sessions([each for each in body.session_ids if access.may_enter(each)], owner=owner)


@router.get(
    "/sessions/{session_id}",
    operation_id="get_session_by_id",
    summary="Get a session",
    response_model_exclude_none=True,
)
async def get_session(
    session_id: SessionId,
    db: SessionsDb,
    owner: Reader,
    type: Type = None,  # noqa: A002
) -> SessionDetail:
    """A session with its messages."""
    session = await find_session(db, session_id, owner, type)
    return await _detail(db, session, owner)


@router.delete(
    "/sessions/{session_id}", operation_id="delete_session", summary="Delete a session", status_code=204
)
async def delete_session(session_id: SessionId, db: SessionsDb, owner: Writer) -> None:
    """Deletes a session with its runs. 204 even if it didn't exist."""
    await db.delete_sessions([session_id], owner=owner)


@router.patch("/sessions/{session_id}", operation_id="update_session", summary="Change a session")
async def update_session(
    request: Request,
    session_id: SessionId,
    body: UpdateSession,
    db: SessionsDb,
    owner: Writer,
    type: Type = None,  # noqa: A002
) -> SessionDetail:
    """Changes the given fields. A given object replaces the old one."""
    if body.session_state is not None:
        body.session_state = access_of(request.scope).session_state(body.session_state)
    change = SessionChange(**dict(body))
    return await _changed(db, session_id, change, owner, type)


@router.post("/sessions/{session_id}/rename", operation_id="rename_session", summary="Rename a session")
async def rename_session(
    session_id: SessionId,
    body: RenameSession,
    db: SessionsDb,
    owner: Writer,
    type: Type = None,  # noqa: A002
) -> SessionDetail:
    """Sets the session's display name."""
    return await _changed(db, session_id, SessionChange(session_name=body.session_name), owner, type)


@router.get(
    "/sessions/{session_id}/media/{key}",
    operation_id="get_session_media",
    summary="Get an image or a file of a session",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def get_media(
    session_id: SessionId, key: Key, db: SessionsDb, owner: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """The bytes that a message of the session refers to by `key`. 304 if the client has them."""
    await find_session(db, session_id, owner, None)
    media = await db.get_media(session_id, key, owner=owner)
    if media is None:
        raise NotFoundError("Media", key)
    headers = {**_MEDIA_HEADERS, "ETag": f'"{media.key}"'}
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    kind = media.mime_type if media.mime_type in _STATED else "application/octet-stream"
    return Response(media.content, media_type=kind, headers=headers)


async def _changed(
    db: Db, session_id: str, change: SessionChange, owner: Owner, kind: Kind | None
) -> SessionDetail:
    if kind is not None:
        await find_session(db, session_id, owner, kind)
    session = await db.update_session(session_id, change, owner=owner)
    if session is None:
        raise NotFoundError("Session", session_id)
    return await _detail(db, session, owner)


async def _detail(db: Db, session: Session, owner: Owner) -> SessionDetail:
    runs = await db.list_runs(session.session_id, RunQuery(limit=MAX_RUNS), owner=owner)
    return SessionDetail.of(session, messages(runs))
