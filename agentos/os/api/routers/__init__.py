"""Every route of the server."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.routing import APIRoute

from agentos.os.api.routers import (
    about,
    approvals,
    audit,
    authz,
    memories,
    service_accounts,
    session_runs,
    sessions,
)
from agentos.os.api.routers.branches import branch_routes
from agentos.os.api.routers.existing_runs import existing_run_routes
from agentos.os.api.routers.runnables import runnable_routes
from agentos.os.api.routers.runs import run_routes
from agentos.os.api.schemas.agents import AgentResponse
from agentos.os.registry import Registry, Served, Server
from agentos.os.schema import Schema
from agentos.run.events import Kind


def routes_of(server: Server) -> list[APIRoute]:
    """The routes of one server, the most used first: a router looks for them in this order."""
    routers: list[APIRouter] = [
        *routes_of_kind("agent", server.registry, AgentResponse, AgentResponse.of),
        sessions.router,
        session_runs.router,
        memories.router,
        approvals.router,
        about.router,
        authz.router,
        service_accounts.router,
        audit.router,
    ]
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def routes_of_kind(
    kind: Kind, registry: Registry, schema: type[Schema], show: Callable[[Served], Schema]
) -> list[APIRouter]:
    """Everything about runnables of one kind, which are shown as a `schema`, and their runs."""
    return [
        *runnable_routes(kind, registry, schema, show),
        run_routes(kind),
        existing_run_routes(kind),
        branch_routes(kind),
    ]
