"""Shared parts of the routes about runnables, which are mounted for each kind.

Modules with such routes must not postpone the evaluation of annotations: FastAPI can't resolve a router's
`runnable_id` by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import JSONResponse, Response
from starlette.types import Send

from agentos.db.base import Db
from agentos.errors import NoDatabaseError, NotFoundError
from agentos.kinds import Kind, spelling
from agentos.os.api.event_schemas import EVENTS
from agentos.os.api.requests.events import AnsweredBody
from agentos.os.deps import owner_of, server_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import InvalidRequestError
from agentos.os.http.sse import EventSelection, Shows, frames, selector
from agentos.os.principal import access_of
from agentos.os.registry import Served
from agentos.run.owner import Owner
from agentos.run.records import RunOutput
from agentos.run.text import json_of
from agentos.run.wire import run_output
from agentos.runner.service import Started

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

RunId = Annotated[str, Path(description="The run's id.")]
Include = Annotated[
    Literal["members"] | None,
    Query(
        description="`members`: also the runs nested in this one, in `member_responses`, each with its own."
        " At most 256 runs and about 1 MiB; `members_left_out` is how many more there are. Needs a database,"
        " and a response that isn't a stream."
    ),
]
OfSession = Annotated[str | None, Query(description="The run's session; a run of another one isn't found.")]


class EventStream(StreamingResponse):
    """Server-sent events. If the client leaves early, the reader is closed immediately.

    With `may_be_empty`, a stream without any event is answered 204, on which an EventSource stops
    reconnecting.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes], *, may_be_empty: bool = False) -> None:
        super().__init__(frames, headers=_HEADERS)
        self._frames = frames
        self._may_be_empty = may_be_empty

    async def stream_response(self, send: Send) -> None:
        """Sends each frame as it arrives."""
        async with aclosing(self._frames) as frames:
            if self._may_be_empty:
                first = await anext(frames, None)
                if first is None:
                    headers = Response(status_code=204, headers=_HEADERS).raw_headers
                    await send({"type": "http.response.start", "status": 204, "headers": headers})
                    await send({"type": "http.response.body", "body": b""})
                    return
                self.body_iterator = _chained(first, frames)
            await super().stream_response(send)


async def _chained(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for each in rest:
        yield each


class KindRouter(APIRouter):
    """Routes below `/agents/{agent_id}`, or the same for another kind.

    A handler about the runnable takes `runnable_id: Annotated[str, router.runnable_id]`.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__(
            prefix=f"/{spelling(kind).family}/{{{kind}_id}}", tags=[f"{kind}s"], route_class=ProblemRoute
        )
        self.kind: Kind = kind
        self.runnable_id = Path(alias=f"{kind}_id", description=f"The {kind}'s id.")


@dataclass(frozen=True, slots=True)
class RunnableRef:
    """The runnable named by the path, with what requests about its runs share."""

    kind: Kind
    id: str

    def runnable(self, request: Request) -> Served:
        """The runnable; NotFoundError if it doesn't exist."""
        return server_of(request).registry.get(self.kind, self.id)

    async def find(
        self, request: Request, run_id: str, session_id: str | None, user_id: str | None, *, write: bool
    ) -> RunOutput:
        """A run of this runnable that the caller may read or change.

        A nested run is found by callers who may read its root: it is part of that.
        """
        access, runnable = access_of(request.scope), self.runnable(request)
        owner = owner_of(access, user_id, write=write)
        run = await server_of(request).runs.find(
            runnable, run_id, session_id=access.session(session_id), owner=owner
        )
        if run.root_run_id is not None:
            root = None if runnable.db is None else await runnable.db.get_run(run.root_run_id, owner=owner)
            if root is None or not access.may_read_run(
                spelling(root.kind).family, root.runnable_id, root.run_id
            ):
                raise NotFoundError("Run")
        return run

    def follow(
        self, request: Request, run: RunOutput, *, after: int, selection: EventSelection
    ) -> EventStream:
        """The run's events after the given one; 204 if it has finished and none is left."""
        source = server_of(request).runs.source_of(self.runnable(request), run)
        shown = frames(source, after=after, shows=self._shows(request, run, selection))
        return EventStream(shown, may_be_empty=run.status.is_final)

    def check(self, request: Request, body: AnsweredBody, include: Include) -> None:
        """Refuses what can't be included in the response to a run that is to be started or continued."""
        if include is not None and (body.stream or body.background):
            told = "Needs stream=false and no background: read the run afterwards, with the same parameter"
            finding = {"type": "unsupported", "loc": ("query", "include"), "msg": told, "input": include}
            raise InvalidRequestError([finding])
        if include is not None:
            self._db(request)

    async def answer(
        self, request: Request, started: Started, body: AnsweredBody, *, owner: Owner, include: Include
    ) -> Response:
        """The response for a started or continued run: its events, its result, or that it is accepted."""
        if body.stream:
            shows = self._shows(request, started.run, body.selection)
            return EventStream(frames(started.source, after=started.after, shows=shows))
        if body.background:
            run = started.run
            told = {"run_id": run.run_id, "session_id": run.session_id, "status": run.status}
            return JSONResponse(told, 202)
        run = await server_of(request).runs.finished(self.runnable(request), started)
        return await self.whole(request, run, owner=owner, include=include)

    async def whole(
        self, request: Request, run: RunOutput, *, owner: Owner, include: Include = None
    ) -> Response:
        """The whole run. Whoever may read it may read what is nested in it."""
        if include is None:
            return _json(run_output(run))
        nested = await self._db(request).list_nested(run.run_id, owner=owner)
        shown = run_output(_tree(run, nested.runs), members=True)
        return _json(shown | ({"members_left_out": nested.left_out} if nested.left_out else {}))

    def _db(self, request: Request) -> Db:
        db = self.runnable(request).db
        if db is None:
            raise NoDatabaseError(f"include=members needs a database: give the {self.kind} one")
        return db

    def _shows(self, request: Request, run: RunOutput, selection: EventSelection) -> Shows | None:
        return selector(run, selection, member_events=self.runnable(request).settings.member_events)


async def session_db(runnable: Served, session_id: str, owner: Owner) -> Db:
    """The database with the session. NotFoundError unless the runnable takes part in it."""
    db = runnable.db
    session = None if db is None else await db.get_session(session_id, owner=owner)
    if db is None or session is None or not session.has(runnable.kind, runnable.id):
        raise NotFoundError("Session", session_id)
    return db


def _tree(run: RunOutput, below: Sequence[RunOutput]) -> RunOutput:
    children: defaultdict[str | None, list[RunOutput]] = defaultdict(list)
    for each in below:
        children[each.parent_run_id].append(each)

    def whole(of: RunOutput) -> RunOutput:
        return of.model_copy(update={"children": [whole(child) for child in children[of.run_id]]})

    return whole(run)


def _json(shown: Mapping[str, Any]) -> Response:
    return Response(json_of(shown), media_type="application/json")


def stream_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI for following a run, and its errors. As models, these would get the stream's media type."""
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        for status in statuses
        for name in ["InvalidRequest" if status == 422 else "Problem"]
    }
    over = {"description": "The run has finished and no event is left."}
    return {**refusals, 200: {"content": EVENTS}, 204: over}
