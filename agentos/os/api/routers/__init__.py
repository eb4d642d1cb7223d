"""Every route of the server."""

from __future__ import annotations

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
from agentos.os.api.routers.agents import AgentRoutes
from agentos.os.api.routers.branches import BranchRoutes
from agentos.os.api.routers.existing_runs import ContinueRoutes
from agentos.os.api.routers.runs import RunRoutes
from agentos.os.registry import Server


def routes_of(server: Server) -> list[APIRoute]:
    """The routes of one server, the most used first: a router looks for them in this order."""
    routers: list[APIRouter] = [
        AgentRoutes(server.registry).router(),
        RunRoutes("agent").router(),
        ContinueRoutes("agent").router(),
        BranchRoutes("agent").router(),
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
