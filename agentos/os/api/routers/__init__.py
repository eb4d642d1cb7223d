"""All routes of the server."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter
from fastapi.routing import APIRoute

from agentos.kinds import LISTED, Kind
from agentos.os.api.routers import (
    about,
    approvals,
    authz,
    memories,
    service_accounts,
    session_runs,
    sessions,
)
from agentos.os.api.routers.branches import branch_routes
from agentos.os.api.routers.existing_runs import existing_run_routes
from agentos.os.api.routers.runnables import list_routes, runnable_routes
from agentos.os.api.routers.runs import run_routes
from agentos.os.registry import Registry, Server


def routes_of(server: Server) -> list[APIRoute]:
    """The routes of one server, most used first, since routers search them in order."""
    registry = server.registry
    routers: list[APIRouter] = [
        *(router for kind in registry.kinds for router in routes_of_kind(kind, registry)),
        sessions.router,
        session_runs.router,
        memories.router,
        approvals.router,
        about.router,
        authz.router,
        service_accounts.router,
        *(list_routes(kind, registry) for kind in LISTED if kind not in registry.kinds),
    ]
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def routes_of_kind(kind: Kind, registry: Registry) -> list[APIRouter]:
    """All routes for runnables of one kind and their runs."""
    return [*runnable_routes(kind, registry), *_routes_of_runs(kind)]


@cache  # FastAPI takes tens of milliseconds to make them
def _routes_of_runs(kind: Kind) -> tuple[APIRouter, ...]:
    return run_routes(kind), existing_run_routes(kind), branch_routes(kind)
