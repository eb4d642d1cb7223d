"""Runs of one kind of runnable: start them, list them, read them, follow them."""

from __future__ import annotations

from asyncio import to_thread
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import WithJsonSchema
from starlette.responses import Response

from agentos.errors import NoDatabaseError, NotFoundError
from agentos.os.api.requests import MAX_SEQ, RunBody, read
from agentos.os.api.routers.kinds import EVENTS, EventStream, KindRoutes, stream_responses, whole
from agentos.os.api.schemas.runs import AcceptedRun, RunRecord, RunSchema
from agentos.os.deps import acting_for, owner_of, server_of
from agentos.os.http.field_types import MAX_ID, Id
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import InvalidRequestError, responses
from agentos.os.principal import Access, access_of
from agentos.run.records import RunInput, RunStatus
from agentos.runner.accept import RunArguments

Seq = Annotated[int, Query(ge=0, le=MAX_SEQ)]
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": MAX_SEQ}
"""A header may be left out, but it can't be null."""
LastEventId = Annotated[int | None, Header(ge=0, le=MAX_SEQ), WithJsonSchema(_NUMBER)]
_KEY: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": "^[ -~]+$"}
IdempotencyKey = Annotated[Id | None, Header(), WithJsonSchema(_KEY)]


class RunRoutes(KindRoutes):
    """`/agents/{agent_id}/runs…`, or the same for another kind."""

    def router(self) -> APIRouter:
        """The routes; the most used first."""
        kind, base, documented = self.kind, f"{self.base}/runs", self.documented()
        router = APIRouter(tags=[f"{kind}s"], route_class=ProblemRoute)
        router.post(
            base,
            operation_id=f"create_{kind}_run",
            response_model=RunRecord,
            responses={
                **responses(400, 404, 409, 413, 415, 422, 429, 503),
                200: {"content": EVENTS},
                202: {"model": AcceptedRun},
            },
            openapi_extra=self.documented(RunBody),
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
            responses=stream_responses(404, 503),
            openapi_extra=documented,
        )(self.events)
        return router

    async def create(self, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """Runs it. Answers with server-sent events, or with the whole run if `stream` is false.

        The run goes on if the caller hangs up. A model that fails is a run with status ERROR, not an error.
        With an `Idempotency-Key` the same request, sent again, gets the run that it began the first time.
        """
        server, runnable = server_of(request), self.runnable(request)
        body = await read(request, RunBody)
        access = access_of(request.scope)
        owner, user_id = acting_for(access, body.user_id)
        if idempotency_key is not None and runnable.db is None:
            raise NoDatabaseError(f"An Idempotency-Key needs a database: give the {self.kind} one")
        arguments = _arguments(body, access, user_id)
        if idempotency_key is not None:
            seen = await to_thread(body.fingerprint, arguments.session_id, user_id)
            arguments = replace(arguments, idempotency_key=idempotency_key, fingerprint=seen)
        started = await server.runs.start(runnable, arguments, owner=owner)
        return await self.answer(
            request,
            started,
            stream=body.stream,
            every_event=body.stream_events,
            background=body.background,
        )

    async def of_session(
        self,
        request: Request,
        session_id: str | None = None,
        status: RunStatus | None = None,
        user_id: str | None = None,
    ) -> list[RunSchema]:
        """The runs of one session, oldest first."""
        runnable, access = self.runnable(request), access_of(request.scope)
        session_id, owner = access.session(session_id), owner_of(access, user_id, write=False)
        if session_id is None:
            missing = {
                "type": "missing",
                "loc": ("query", "session_id"),
                "msg": "Field required",
                "input": None,
            }
            raise InvalidRequestError([missing])
        db = runnable.db
        session = None if db is None else await db.get_session(session_id, owner=owner)
        if db is None or session is None or (session.kind, session.runnable_id) != (self.kind, runnable.id):
            raise NotFoundError("Session")
        statuses = () if status is None else (status,)
        runs = await db.list_runs(session_id, owner=owner, statuses=statuses)
        return [RunSchema.of(run) for run in runs]

    async def get(
        self, request: Request, run_id: str, session_id: str | None = None, user_id: str | None = None
    ) -> Response:
        """One run in full, executing or over."""
        return whole(await self.find(request, run_id, session_id, user_id, write=False))

    async def events(
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
        run = await self.find(request, run_id, session_id, user_id, write=False)
        seen = after if last_event_id is None else last_event_id
        return self.follow(request, run, after=seen, every_event=stream_events)


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
        background=body.background,
        multitask=body.multitask,
        asked_by=access.principal.user_id,
    )
