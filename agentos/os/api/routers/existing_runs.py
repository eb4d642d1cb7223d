"""Existing runs: cancel them, continue them, branch off from them, resume their streams."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from agentos.kinds import Kind
from agentos.os.api.event_schemas import EVENTS
from agentos.os.api.requests import ContinueBody, ResumeBody, read
from agentos.os.api.requests.documentation import request_body
from agentos.os.api.routers.kinds import (
    EventStream,
    Include,
    KindRouter,
    OfSession,
    RunId,
    RunnableRef,
    stream_responses,
)
from agentos.os.api.schemas.runs import AcceptedRun, Cancelled, RunRecord
from agentos.os.deps import Slot, UserId, acting_for, one_stream, owner_of, server_of
from agentos.os.http.problems import responses
from agentos.os.principal import access_of
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import RunOutput
from agentos.run.request import RunRequest
from agentos.runner.branches import Branch, branched
from agentos.runner.continuation import Continuation
from agentos.runner.service import Started


def existing_run_routes(kind: Kind) -> APIRouter:
    """The routes of one kind that change a run or continue from it."""
    router = KindRouter(kind)
    for add in (_add_continue, _add_cancel, _add_resume):
        add(router)
    return router


def _add_continue(router: KindRouter) -> None:
    @router.post(
        "/runs/{run_id}/continue",
        operation_id=f"continue_{router.kind}_run",
        summary="Continue a run, or branch off from it",
        response_model=RunRecord,
        responses={
            **responses(400, 403, 404, 409, 413, 415, 422, 429, 503),
            200: {"content": EVENTS},
            202: {"model": AcceptedRun},
        },
        openapi_extra={"requestBody": request_body(ContinueBody)},
    )
    async def continue_run(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        run_id: RunId,
        slot: Slot,
        include: Include = None,
    ) -> Response:
        """Continues a paused run with a person's decisions, or starts a new run from an existing
        conversation.

        Responds like the start of a run; a stream begins after the pause. 403 while an approver's decision is
        missing, 409 if the run isn't paused and the request doesn't ask for a new one, or if it asks to
        replace an answer that has been replaced already, or is just now.
        """
        ref = _ContinuedRef(router.kind, runnable_id)
        body = await read(request, ContinueBody)
        ref.check(request, body, include)
        if body.stream:
            slot.take()
        run = await ref.find(request, run_id, body.session_id, body.user_id, write=True)
        started = await ref.started(request, run, body)
        owner = owner_of(access_of(request.scope), body.user_id, write=True)
        return await ref.answer(request, started, body, owner=owner, include=include)


def _add_cancel(router: KindRouter) -> None:
    @router.post(
        "/runs/{run_id}/cancel",
        operation_id=f"cancel_{router.kind}_run",
        summary="Cancel a run",
        responses=responses(404, 409, 422, 503),
    )
    async def cancel(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        run_id: RunId,
        session_id: OfSession = None,
        user_id: UserId = None,
    ) -> Cancelled:
        """Cancels a pending or executing run, in any process. Its output so far is kept.

        Waits a few seconds for its end. 409 if it has finished, or finishes before it can be cancelled.
        """
        ref, access = RunnableRef(router.kind, runnable_id), access_of(request.scope)
        await ref.find(request, run_id, session_id, user_id, write=True)
        await server_of(request).runs.cancel(
            ref.runnable(request),
            run_id,
            session_id=access.session(session_id),
            owner=owner_of(access, user_id, write=True),
        )
        return Cancelled()


def _add_resume(router: KindRouter) -> None:
    @router.post(
        "/runs/{run_id}/resume",
        operation_id=f"resume_{router.kind}_run_stream",
        summary="Resume a run's stream",
        status_code=200,
        response_class=EventStream,
        dependencies=[Depends(one_stream)],
        responses=stream_responses(400, 404, 413, 415, 422, 429, 503),
        openapi_extra={"requestBody": request_body(ResumeBody)},
    )
    async def resume(
        request: Request, runnable_id: Annotated[str, router.runnable_id], run_id: RunId
    ) -> Response:
        """Streams the run's events after the last one received. The same as its `events` route."""
        ref = RunnableRef(router.kind, runnable_id)
        body = await read(request, ResumeBody)
        run = await ref.find(request, run_id, body.session_id, body.user_id, write=False)
        seen = 0 if body.last_event_index is None else body.last_event_index + 1
        return ref.follow(request, run, after=seen, selection=body.selection)


class _ContinuedRef(RunnableRef):
    async def started(self, request: Request, run: RunOutput, body: ContinueBody) -> Started:
        owner, user_id = acting_for(access_of(request.scope), body.user_id)
        branch = Branch(
            input=body.input,
            continue_from=body.continue_from,
            fork=body.fork,
            regenerate=body.regenerate,
            replace_original=body.replace_original,
            additional_instructions=body.additional_instructions,
        )
        if branch.is_wanted:
            return await self._begun(request, run, branch, body, owner=owner, user_id=user_id)
        return await self._continued(request, run, body, owner=owner)

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
        asked, source = branched(run, branch)
        new = RunRequest(
            input=asked,
            session_id=run.session_id,
            user_id=user_id,
            anyone=owner is ANYONE,
            stream=body.stream,
            session_state=access.session_state({}),
            dependencies=access.dependencies(body.dependencies or {}),
            metadata=access.metadata(run.metadata or {}),
            claims=access.claims(),
            background=body.background,
            source=source,
            replaces=run.run_id if branch.replaces else None,
            begun_by=access.principal.user_id,
        )
        return await server_of(request).runs.start(self.runnable(request), new)

    async def _continued(
        self, request: Request, run: RunOutput, body: ContinueBody, *, owner: Owner
    ) -> Started:
        said, access = body.dependencies, access_of(request.scope)
        continuation = Continuation(
            answers=body.answers,
            stream=body.stream,
            background=body.background,
            dependencies=None if said is None else access.dependencies(said),
            claims=access.claims(),
            dependency_claims=access.principal.dependencies,
            state_claims=access.session_state({}),
            asked_by=access.principal.user_id,
        )
        return await server_of(request).runs.proceed(self.runnable(request), run, continuation, owner=owner)
