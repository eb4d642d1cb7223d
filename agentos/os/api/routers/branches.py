"""Back to an earlier place of a conversation: where one can go on, and copies of whole sessions."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query, Request

from agentos.errors import BadRequestError, NotFoundError
from agentos.os.api.routers.kinds import KindRoutes
from agentos.os.api.schemas.checkpoints import Checkpoints, CheckpointSnapshot
from agentos.os.api.schemas.sessions import ForkedSession
from agentos.os.deps import SessionId, Writer
from agentos.os.http.field_types import Id
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import AccessDeniedError, access_of


class BranchRoutes(KindRoutes):
    """`…/runs/{run_id}/checkpoints` and `…/sessions/{session_id}/fork` of one kind."""

    def router(self) -> APIRouter:
        """The routes."""
        kind, run, documented = self.kind, f"{self.base}/runs/{{run_id}}", self.documented()
        router = APIRouter(tags=[f"{kind}s"], route_class=ProblemRoute)
        router.get(
            f"{run}/checkpoints",
            operation_id=f"list_{kind}_run_checkpoints",
            responses=responses(404, 503),
            openapi_extra=documented,
        )(self.checkpoints)
        router.get(
            f"{run}/checkpoints/{{message_index}}",
            operation_id=f"get_{kind}_run_checkpoint_snapshot",
            responses=responses(400, 404, 503),
            openapi_extra=documented,
        )(self.checkpoint)
        router.post(
            f"{self.base}/sessions/{{session_id}}/fork",
            operation_id=f"fork_{kind}_session",
            responses=responses(404, 409, 503),
            openapi_extra=documented,
        )(self.fork)
        return router

    async def checkpoints(
        self, request: Request, run_id: str, session_id: str | None = None, user_id: str | None = None
    ) -> Checkpoints:
        """The places from which `continue` can take the run's conversation up."""
        return Checkpoints.of(await self.find(request, run_id, session_id, user_id, write=False))

    async def checkpoint(
        self,
        request: Request,
        run_id: str,
        message_index: int,
        session_id: str | None = None,
        user_id: str | None = None,
    ) -> CheckpointSnapshot:
        """The run as it was behind its first `message_index` messages."""
        run = await self.find(request, run_id, session_id, user_id, write=False)
        if not 0 <= message_index <= len(run.messages):
            raise BadRequestError(f"message_index must be between 0 and {len(run.messages)}")
        return CheckpointSnapshot.of(run, message_index)

    async def fork(
        self,
        request: Request,
        session_id: SessionId,
        owner: Writer,
        run_id: Annotated[Id | None, Query(description="The last run to copy; all without it.")] = None,
    ) -> ForkedSession:
        """A copy of a session with its runs that are over, to go on with another way."""
        access, runnable = access_of(request.scope), self.runnable(request)
        if access.principal.session_id is not None:
            raise AccessDeniedError(
                "This token is for one session, and can't make another.",
                code="one_session",
                decision=access.decision,
            )
        db = runnable.db
        session = None if db is None else await db.get_session(session_id, owner=owner)
        if db is None or session is None or (session.kind, session.runnable_id) != (self.kind, runnable.id):
            raise NotFoundError("Session")
        forked = await db.fork_session(
            session_id, new_session_id=str(uuid4()), through_run_id=run_id, owner=owner
        )
        if forked is None:
            raise NotFoundError("Session")
        return ForkedSession(session_id=forked.session_id, forked_from_session_id=session_id)
