"""Earlier points of a conversation: listing where it can continue, and copying sessions."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request

from agentos.errors import BadRequestError, NotFoundError
from agentos.kinds import Kind
from agentos.os.api.routers.kinds import KindRouter, OfSession, RunId, RunnableRef, session_db
from agentos.os.api.schemas.checkpoints import CheckpointList, CheckpointSnapshot
from agentos.os.api.schemas.sessions import ForkedSession
from agentos.os.deps import SessionId, UserId, Writer
from agentos.os.http.field_types import Id
from agentos.os.http.problems import responses
from agentos.os.principal import AccessDeniedError, access_of


def branch_routes(kind: Kind) -> APIRouter:
    """The routes of one kind."""
    router = KindRouter(kind)
    for add in (_add_checkpoints, _add_checkpoint, _add_fork):
        add(router)
    return router


def _add_checkpoints(router: KindRouter) -> None:
    @router.get(
        "/runs/{run_id}/checkpoints",
        operation_id=f"list_{router.kind}_run_checkpoints",
        summary="List the checkpoints of a run",
        responses=responses(404, 422, 503),
    )
    async def list_checkpoints(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        run_id: RunId,
        session_id: OfSession = None,
        user_id: UserId = None,
    ) -> CheckpointList:
        """The points from which `continue` can resume the run's conversation."""
        ref = RunnableRef(router.kind, runnable_id)
        return CheckpointList.of(await ref.find(request, run_id, session_id, user_id, write=False))


def _add_checkpoint(router: KindRouter) -> None:
    @router.get(
        "/runs/{run_id}/checkpoints/{message_index}",
        operation_id=f"get_{router.kind}_run_checkpoint_snapshot",
        summary="Get a run as it was at a checkpoint",
        responses=responses(400, 404, 422, 503),
    )
    async def get_checkpoint(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        run_id: RunId,
        message_index: Annotated[int, Path(description="How many messages come before the place.")],
        session_id: OfSession = None,
        user_id: UserId = None,
    ) -> CheckpointSnapshot:
        """The run as it was after its first `message_index` messages."""
        ref = RunnableRef(router.kind, runnable_id)
        run = await ref.find(request, run_id, session_id, user_id, write=False)
        if not 0 <= message_index <= len(run.messages):
            raise BadRequestError(f"message_index must be between 0 and {len(run.messages)}")
        return CheckpointSnapshot.of(run, message_index)


def _add_fork(router: KindRouter) -> None:
    @router.post(
        "/sessions/{session_id}/fork",
        operation_id=f"fork_{router.kind}_session",
        summary="Fork a session",
        responses=responses(404, 409, 422, 503),
    )
    async def fork(
        request: Request,
        runnable_id: Annotated[str, router.runnable_id],
        session_id: SessionId,
        owner: Writer,
        run_id: Annotated[Id | None, Query(description="The last run to copy; all without it.")] = None,
    ) -> ForkedSession:
        """Copies a session with its finished runs, to continue it differently."""
        access, runnable = access_of(request.scope), RunnableRef(router.kind, runnable_id).runnable(request)
        if access.principal.session_id is not None:
            raise AccessDeniedError(
                "This token is confined to one session and can't create another.",
                code="one_session",
                decision=access.decision,
            )
        db = await session_db(runnable, session_id, owner)
        forked = await db.fork_session(
            session_id, new_session_id=str(uuid4()), through_run_id=run_id, owner=owner
        )
        if forked is None:
            raise NotFoundError("Session", session_id)
        return ForkedSession(session_id=forked.session_id, forked_from_session_id=session_id)
