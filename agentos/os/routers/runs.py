"""Runs of one kind of runnable: written once, mounted for each kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema
from starlette.responses import Response
from starlette.types import Send

from agentos.errors import NotFoundError
from agentos.os.body import MEDIA_TYPES, MULTIPART, RunBody, read
from agentos.os.deps import acting_for, owner_of, server_of
from agentos.os.principal import Access, access_of
from agentos.os.problems import ProblemRoute, responses
from agentos.os.registry import Served
from agentos.os.schemas.runs import RunRecord, RunSchema
from agentos.os.streaming import answer_names, frames
from agentos.run.events import Kind
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.run.text import json_of
from agentos.run.wire import run_output
from agentos.runner.accept import RunArguments

_PROBLEM: dict[str, Any] = {
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
"""A model would be documented in the content type of the stream."""
_EVENTS: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
MAX_SEQ = 2**31 - 1
Seq = Annotated[int, Query(ge=0, le=MAX_SEQ)]
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": MAX_SEQ}
"""A header may be left out, but it can't be null."""
LastEventId = Annotated[int | None, Header(ge=0, le=MAX_SEQ), WithJsonSchema(_NUMBER)]

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """Server-sent events; the reader that is left early is closed at once."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        super().__init__(frames, headers=_HEADERS)
        self._frames = frames

    async def stream_response(self, send: Send) -> None:
        """Sends every frame as it comes."""
        async with aclosing(self._frames):
            await super().stream_response(send)


class RunRoutes:
    """`/agents/{agent_id}/runs…`, or the same for another kind."""

    def __init__(self, kind: Kind) -> None:
        self._kind: Kind = kind
        self._path_id = f"{kind}_id"

    def router(self) -> APIRouter:
        """The routes; the most used first."""
        kind = self._kind
        base = f"/{kind}s/{{{self._path_id}}}/runs"
        named: dict[str, Any] = {
            "name": self._path_id,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
        }
        documented: dict[str, Any] = {"parameters": [named]}
        router = APIRouter(tags=[f"{kind}s"], route_class=ProblemRoute)
        router.post(
            base,
            operation_id=f"create_{kind}_run",
            response_model=RunRecord,
            responses={**responses(400, 404, 413, 415, 422, 503), 200: {"content": _EVENTS}},
            openapi_extra={**documented, "requestBody": _request_body()},
        )(self.create)
        router.get(
            base,
            operation_id=f"list_{kind}_runs",
            response_model=list[RunSchema],
            response_model_exclude_none=True,
            responses=responses(404, 503),
            openapi_extra=documented,
        )(self.of_session)
        router.get(
            base + "/{run_id}",
            operation_id=f"get_{kind}_run",
            response_model=RunRecord,
            responses=responses(404, 503),
            openapi_extra=documented,
        )(self.get)
        router.get(
            base + "/{run_id}/events",
            operation_id=f"follow_{kind}_run",
            status_code=200,
            response_class=EventStream,
            responses={**dict.fromkeys((404, 503), _PROBLEM), 200: {"content": _EVENTS}},
            openapi_extra=documented,
        )(self.follow)
        return router

    async def create(self, request: Request) -> Response:
        """Runs it. Answers with server-sent events, or with the whole run if `stream` is false.

        The run goes on if the caller hangs up. A model that fails is a run with status ERROR, not an error.
        """
        server, runnable = server_of(request), self._runnable(request)
        body = await read(request)
        access = access_of(request.scope)
        owner, user_id = acting_for(access, body.user_id)
        started = await server.runs.start(runnable, _arguments(body, access, user_id), owner=owner)
        if not body.stream:
            return _whole(await server.runs.finished(runnable, started))
        return EventStream(frames(started.source, names=self._names(body.stream_events)))

    async def of_session(
        self,
        request: Request,
        session_id: str | None = None,
        status: RunStatus | None = None,
        user_id: str | None = None,
    ) -> list[RunSchema]:
        """The runs of one session, oldest first."""
        runnable, access = self._runnable(request), access_of(request.scope)
        session_id, owner = access.session(session_id), owner_of(access, user_id, write=False)
        if session_id is None:
            missing = {
                "type": "missing",
                "loc": ("query", "session_id"),
                "msg": "Field required",
                "input": None,
            }
            raise RequestValidationError([missing])
        db = runnable.db
        session = None if db is None else await db.get_session(session_id, owner=owner)
        if db is None or session is None or (session.kind, session.runnable_id) != (self._kind, runnable.id):
            raise NotFoundError("Session")
        statuses = () if status is None else (status,)
        runs = await db.list_runs(session_id, owner=owner, statuses=statuses)
        return [RunSchema.of(run) for run in runs]

    async def get(
        self, request: Request, run_id: str, session_id: str | None = None, user_id: str | None = None
    ) -> Response:
        """One run in full, executing or over."""
        run = await self._find(request, run_id, session_id, user_id)
        return _whole(run)

    async def follow(
        self,
        request: Request,
        run_id: str,
        after: Seq = 0,
        last_event_id: LastEventId = None,
        session_id: str | None = None,
        user_id: str | None = None,
        stream_events: bool = True,
    ) -> Response:
        """What the run did and does, from its beginning or from behind an event seen before."""
        run = await self._find(request, run_id, session_id, user_id)
        source = server_of(request).runs.source_of(self._runnable(request), run)
        seen = after if last_event_id is None else last_event_id
        return EventStream(frames(source, after=seen, names=self._names(stream_events)))

    def _runnable(self, request: Request) -> Served:
        return server_of(request).registry.get(self._kind, request.path_params[self._path_id])

    def _names(self, every_event: bool) -> frozenset[str] | None:
        return None if every_event else answer_names(self._kind)

    async def _find(
        self, request: Request, run_id: str, session_id: str | None, user_id: str | None
    ) -> RunOutput:
        access = access_of(request.scope)
        return await server_of(request).runs.find(
            self._runnable(request),
            run_id,
            session_id=access.session(session_id),
            owner=owner_of(access, user_id, write=False),
        )


def _arguments(body: RunBody, access: Access, user_id: str | None) -> RunArguments:
    return RunArguments(
        input=RunInput(
            input_content=body.message, images=body.images or None, files=body.input_files or None
        ),
        session_id=access.session(body.session_id),
        user_id=user_id,
        stream=body.stream,
        session_state=access.session_state(body.session_state),
        dependencies=access.dependencies(body.dependencies),
        metadata=body.metadata,
        output_schema=body.output_schema,
        history=body.add_history_to_context,
    )


def _whole(run: RunOutput) -> Response:
    return Response(json_of(run_output(run)), media_type="application/json")


def _request_body() -> dict[str, Any]:
    plain, upload = (
        RunBody.documentation(),
        {"type": "array", "items": {"type": "string", "format": "binary"}},
    )
    with_files = {**plain, "properties": {**plain["properties"], "files": upload}}
    return {
        "required": True,
        "content": {kind: {"schema": with_files if kind == MULTIPART else plain} for kind in MEDIA_TYPES},
    }
