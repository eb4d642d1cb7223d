"""What each agent is made of. Written once when the app is made: agents don't change while it serves."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic_core import PydanticSerializationError
from starlette.responses import Response

from agentos.errors import ConfigurationError, NotFoundError
from agentos.os.api.schemas.agents import AgentResponse
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.http.problems import responses
from agentos.os.principal import access_of
from agentos.os.registry import Registry, Served


class AgentRoutes:
    """`GET /agents` and `GET /agents/{agent_id}`."""

    def __init__(self, registry: Registry) -> None:
        self._shown = {agent.id: _written(agent) for agent in registry.all("agent")}
        self._everything = _array(list(self._shown.values()))

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["agents"], route_class=ProblemRoute)
        router.get("/agents", operation_id="get_agents", response_model=list[AgentResponse])(self.all)
        router.get(
            "/agents/{agent_id}",
            operation_id="get_agent",
            response_model=AgentResponse,
            responses=responses(404),
        )(self.one)
        return router

    async def all(self, request: Request) -> Response:
        """The agents that the caller may read."""
        ids = access_of(request.scope).decision.ids
        if ids is None:
            return _json(self._everything)
        return _json(_array([shown for id_, shown in self._shown.items() if id_ in ids]))

    async def one(self, agent_id: str) -> Response:
        """One agent."""
        shown = self._shown.get(agent_id)
        if shown is None:
            raise NotFoundError("Agent")
        return _json(shown)


def _written(agent: Served) -> bytes:
    try:
        return AgentResponse.of(agent).model_dump_json(exclude_none=True).encode()
    except PydanticSerializationError as error:
        raise ConfigurationError(
            f"agents: what {agent.id!r} is made of can't be shown as JSON: look at its metadata."
        ) from error


def _array(items: list[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
