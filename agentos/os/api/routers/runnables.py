"""Descriptions of the runnables of one kind. Built once with the app, since they don't change."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic_core import PydanticSerializationError
from starlette.responses import Response

from agentos.errors import ConfigurationError, NotFoundError
from agentos.kinds import Kind, spelling
from agentos.os.api.routers.kinds import KindRouter
from agentos.os.api.schemas.runnables import SCHEMAS, RunnableResponse
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import access_of
from agentos.os.registry import Registry, Served


def list_routes(kind: Kind, registry: Registry) -> APIRouter:
    """`GET /agents`, or that of another kind."""
    schema, shown = _shown(kind, registry)
    everything = _array(list(shown.values()))
    router = APIRouter(tags=[f"{kind}s"], route_class=ProblemRoute)

    @router.get(
        f"/{spelling(kind).family}",
        operation_id=f"get_{kind}s",
        summary=f"List the {kind}s",
        response_model=list[schema],
    )
    async def list_runnables(request: Request) -> Response:
        """The runnables that the caller may read."""
        ids = access_of(request.scope).decision.ids
        if ids is None:
            return _json(everything)
        return _json(_array([each for id_, each in shown.items() if id_ in ids]))

    return router


def runnable_routes(kind: Kind, registry: Registry) -> list[APIRouter]:
    """`GET /agents` and `GET /agents/{agent_id}`, or those of another kind."""
    schema, shown = _shown(kind, registry)
    router = KindRouter(kind)

    @router.get(
        "",
        operation_id=f"get_{kind}",
        summary=f"Get one {kind}",
        response_model=schema,
        responses=responses(404, 422),
    )
    async def get_runnable(runnable_id: Annotated[str, router.runnable_id]) -> Response:
        """The runnable's configuration, without defaults."""
        found = shown.get(runnable_id)
        if found is None:
            raise NotFoundError(kind.capitalize())
        return _json(found)

    return [list_routes(kind, registry), router]


def _shown(kind: Kind, registry: Registry) -> tuple[type[RunnableResponse], dict[str, bytes]]:
    """The schema of the kind's descriptions, and these as JSON, by id."""
    schema = SCHEMAS.get(kind, RunnableResponse)
    return schema, {each.id: _written(each, schema) for each in registry.all(kind)}


def _written(runnable: Served, schema: type[RunnableResponse]) -> bytes:
    try:
        return schema.of(runnable).model_dump_json(exclude_none=True).encode()
    except PydanticSerializationError as error:
        raise ConfigurationError(
            f"{runnable.kind}s: the settings of {runnable.id!r} can't be encoded as JSON: check its metadata."
        ) from error


def _array(items: list[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
