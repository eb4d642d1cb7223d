"""Runs that are there already: cancel them, go on with them, branch off from them, resume their streams."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from agentos.os.api.requests import ContinueBody, ResumeBody, read
from agentos.os.api.routers.kinds import EVENTS, EventStream, KindRoutes, stream_responses
from agentos.os.api.schemas.runs import AcceptedRun, RunRecord
from agentos.os.deps import acting_for, owner_of, server_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import access_of
from agentos.run.owner import Owner
from agentos.run.records import RunOutput
from agentos.runner.accept import RunArguments
from agentos.runner.branches import Branch, branched
from agentos.runner.service import Continuation, Started


class Cancelled(BaseModel):
    """200: the run ends soon."""


class ContinueRoutes(KindRoutes):
    """`/agents/{agent_id}/runs/{run_id}/…` for what changes a run or goes on from it."""

    def router(self) -> APIRouter:
        """The routes."""
        kind, base = self.kind, f"{self.base}/runs/{{run_id}}"
        router = APIRouter(tags=[f"{kind}s"], route_class=ProblemRoute)
        router.post(
            f"{base}/continue",
            operation_id=f"continue_{kind}_run",
            response_model=RunRecord,
            responses={
                **responses(400, 403, 404, 409, 413, 415, 422, 429, 503),
                200: {"content": EVENTS},
                202: {"model": AcceptedRun},
            },
            openapi_extra=self.documented(ContinueBody),
        )(self.proceed)
        router.post(
            f"{base}/cancel",
            operation_id=f"cancel_{kind}_run",
            responses=responses(404, 409, 503),
            openapi_extra=self.documented(),
        )(self.cancel)
        router.post(
            f"{base}/resume",
            operation_id=f"resume_{kind}_run_stream",
            status_code=200,
            response_class=EventStream,
            responses=stream_responses(400, 404, 413, 415, 422, 503),
            openapi_extra=self.documented(ResumeBody),
        )(self.resume)
        return router

    async def proceed(self, request: Request, run_id: str) -> Response:
        """Goes on with a paused run as a person has decided, or begins a new run with what was said in one.

        Answers as a run that is started does; a stream begins behind the pause. 403 while somebody else's
        approval is missing, 409 if the run isn't paused and nothing asks for a new one.
        """
        body = await read(request, ContinueBody)
        owner, user_id = acting_for(access_of(request.scope), body.user_id)
        run = await self.find(request, run_id, body.session_id, body.user_id, write=True)
        branch = Branch(
            input=body.input,
            continue_from=body.continue_from,
            fork=body.fork,
            regenerate=body.regenerate,
            replace_original=body.replace_original,
            additional_instructions=body.additional_instructions,
        )
        if branch.is_wanted:
            started = await self._begun(request, run, branch, body, owner=owner, user_id=user_id)
        else:
            started = await self._continued(request, run, body, owner=owner)
        return await self.answer(
            request,
            started,
            stream=body.stream,
            every_event=body.stream_events,
            background=body.background,
        )

    async def cancel(
        self, request: Request, run_id: str, session_id: str | None = None, user_id: str | None = None
    ) -> Cancelled:
        """Ends a run that waits or executes, on whichever process; what it has said is kept.

        409 if it is over.
        """
        access = access_of(request.scope)
        await server_of(request).runs.cancel(
            self.runnable(request),
            run_id,
            session_id=access.session(session_id),
            owner=owner_of(access, user_id, write=True),
        )
        return Cancelled()

    async def resume(self, request: Request, run_id: str) -> Response:
        """What the run did and does behind the last event that was seen; the same as its `events`."""
        body = await read(request, ResumeBody)
        run = await self.find(request, run_id, body.session_id, body.user_id, write=False)
        seen = 0 if body.last_event_index is None else body.last_event_index + 1
        return self.follow(request, run, after=seen, every_event=body.stream_events)

    async def _begun(
        self,
        request: Request,
        run: RunOutput,
        branch: Branch,
        body: ContinueBody,
        *,
        owner: Owner,
        user_id: str | None,
    ) -> Started:
        access = access_of(request.scope)
        asked, origins = branched(run, branch)
        arguments = RunArguments(
            input=asked,
            session_id=run.session_id,
            user_id=user_id,
            stream=body.stream,
            session_state=access.session_state({}),
            dependencies=access.dependencies(body.dependencies or {}),
            metadata=run.metadata or {},
            background=body.background,
            origins=origins,
            asked_by=access.principal.user_id,
        )
        return await server_of(request).runs.start(self.runnable(request), arguments, owner=owner)

    async def _continued(
        self, request: Request, run: RunOutput, body: ContinueBody, *, owner: Owner
    ) -> Started:
        said, access = body.dependencies, access_of(request.scope)
        continuation = Continuation(
            answers=body.answers,
            stream=body.stream,
            background=body.background,
            dependencies=None if said is None else access.dependencies(said),
            asked_by=access.principal.user_id,
        )
        return await server_of(request).runs.proceed(self.runnable(request), run, continuation, owner=owner)
