"""Runs of one kind of runnable: start, list, read and follow them."""

from asyncio import to_thread
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from agentos.db.contracts.runs import RunQuery
from agentos.errors import NoDatabaseError
from agentos.kinds import Kind
from agentos.os.api.event_schemas import EVENTS
from agentos.os.api.requests import MAX_SEQ, RunBody, read
from agentos.os.api.requests.documentation import request_body
from agentos.os.api.requests.events import SelectedEvents
from agentos.os.api.routers.kinds import (
    EventStream,
    Include,
    KindRouter,
    OfSession,
    RunId,
    RunnableRef,
    session_db,
    stream_responses,
)
from agentos.os.api.routers.session_runs import Window
from agentos.os.api.schemas.runs import AcceptedRun, RunRecord, RunSchema
from agentos.os.deps import Slot, UserId, WithNested, acting_for, one_stream, owner_of, server_of
from agentos.os.http.field_types import MAX_ID, Id
from agentos.os.http.problems import InvalidRequestError, responses
from agentos.os.principal import Access, access_of
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Participant, RunInput, RunStatus
from agentos.run.request import RunRequest

Seq = Annotated[int, Query(ge=0, le=MAX_SEQ, description="The `id` of the last event seen; 0: none.")]
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": MAX_SEQ}
"""A header may be omitted, but can't be null."""
LastEventId = Annotated[
    int | None,
    Header(ge=0, le=MAX_SEQ, description="As browsers send it; overrides `after`."),
    WithJsonSchema(_NUMBER),
]
_KEY: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": "^[ -~]+$"}
IdempotencyKey = Annotated[
    Id | None,
    Header(description="The same request, sent again under this key, gets the run that it began first."),
    WithJsonSchema(_KEY),
]


def run_routes(kind: Kind) -> APIRouter:
    """The routes of one kind, most used first."""
    router = KindRouter(kind)
    for add in (_add_create, _add_list, _add_get, _add_events):
        add(router)
    return router


def _add_create(router: KindRouter) -> None:
    @router.post(
        "/runs",
        operation_id=f"create_{router.kind}_run",
        summary="Start a run",
        response_model=RunRecord,
        responses={
            **responses(400, 404, 409, 413, 415, 422, 429, 503),
            200: {"content": EVENTS},
            202: {"model": AcceptedRun},
        },
        openapi_extra={"requestBody": request_body(RunBody)},
    )
    async def create(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        slot: Slot,
        idempotency_key: IdempotencyKey = None,
        include: Include = None,
    ) -> Response:
        """Starts a run. Responds with server-sent events, or with the finished run if `stream` is false.

        The run continues if the client disconnects. A failing model results in a run with status ERROR, not
        in an HTTP error.
        """
        ref = RunnableRef(router.kind, runnable_id)
        server, runnable = server_of(request), ref.runnable(request)
        body = await read(request, RunBody)
        ref.check(request, body, include)
        if body.stream:
            slot.take()
        access = access_of(request.scope)
        owner, user_id = acting_for(access, body.user_id)
        if idempotency_key is not None and runnable.db is None:
            raise NoDatabaseError(f"An Idempotency-Key needs a database: give the {router.kind} one")
        asked = _request(body, access, owner, user_id)
        if idempotency_key is not None:
            seen = await to_thread(body.fingerprint, asked.session_id, user_id)
            asked = asked.model_copy(update={"idempotency_key": idempotency_key, "fingerprint": seen})
        started = await server.runs.start(runnable, asked)
        return await ref.answer(request, started, body, owner=owner, include=include)


def _add_list(router: KindRouter) -> None:
    @router.get(
        "/runs",
        operation_id=f"list_{router.kind}_runs",
        summary="List the runs of a session",
        response_model_exclude_none=True,
        responses=responses(404, 409, 422, 503),
    )
    async def list_runs(
        request: Request,
        response: Response,
        runnable_id: Annotated[str, router.runnable_id],
        window: Window,
        session_id: Annotated[str | None, Query(description="Needed, unless the token names one.")] = None,
        status: Annotated[RunStatus | None, Query(description="Only runs that stand here.")] = None,
        nested: WithNested = False,
        user_id: UserId = None,
    ) -> list[RunSchema]:
        """The newest runs of the runnable in the session, oldest first."""
        runnable = RunnableRef(router.kind, runnable_id).runnable(request)
        access = access_of(request.scope)
        session_id, owner = access.session(session_id), owner_of(access, user_id, write=False)
        if session_id is None:
            missing = {
                "type": "missing",
                "loc": ("query", "session_id"),
                "msg": "Field required",
                "input": None,
            }
            raise InvalidRequestError([missing])
        db = await session_db(runnable, session_id, owner)
        query = RunQuery(
            statuses=() if status is None else (status,), of=Participant(kind=router.kind, id=runnable.id)
        )
        read = partial(db.list_runs, session_id, owner=owner, nested=nested)
        runs = await window.read(request, response, query, read)
        return [RunSchema.of(run) for run in runs]


def _add_get(router: KindRouter) -> None:
    @router.get(
        "/runs/{run_id}",
        operation_id=f"get_{router.kind}_run",
        summary="Get a run",
        response_model=RunRecord,
        responses=responses(400, 404, 422, 503),
    )
    async def get(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        run_id: RunId,
        session_id: OfSession = None,
        user_id: UserId = None,
        include: Include = None,
    ) -> Response:
        """The whole run, live or finished."""
        ref = RunnableRef(router.kind, runnable_id)
        run = await ref.find(request, run_id, session_id, user_id, write=False)
        owner = owner_of(access_of(request.scope), user_id, write=False)
        return await ref.whole(request, run, owner=owner, include=include)


def _add_events(router: KindRouter) -> None:
    @router.get(
        "/runs/{run_id}/events",
        operation_id=f"follow_{router.kind}_run",
        summary="Follow a run's events",
        status_code=200,
        response_class=EventStream,
        dependencies=[Depends(one_stream)],
        responses=stream_responses(404, 422, 429, 503),
    )
    async def events(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        run_id: RunId,
        selection: SelectedEvents,
        after: Seq = 0,
        last_event_id: LastEventId = None,
        session_id: OfSession = None,
        user_id: UserId = None,
    ) -> Response:
        """Streams the run's events, from the start or after a given event."""
        ref = RunnableRef(router.kind, runnable_id)
        run = await ref.find(request, run_id, session_id, user_id, write=False)
        seen = after if last_event_id is None else last_event_id
        return ref.follow(request, run, after=seen, selection=selection)


def _request(body: RunBody, access: Access, owner: Owner, user_id: str | None) -> RunRequest:
    return RunRequest(
        input=RunInput(
            input_content=body.message, images=body.images or None, files=body.input_files or None
        ),
        session_id=access.session(body.session_id),
        user_id=user_id,
        anyone=owner is ANYONE,
        stream=body.stream,
        session_state=access.session_state(body.session_state),
        dependencies=access.dependencies(body.dependencies),
        metadata=access.metadata(body.metadata),
        claims=access.claims(),
        output_schema=body.output_schema,
        history=body.add_history_to_context,
        background=body.background,
        multitask=body.multitask,
        begun_by=access.principal.user_id,
    )
