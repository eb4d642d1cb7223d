"""Routes about the server itself: entry points, health, authentication and configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeVar

from fastapi import APIRouter, Request

import agentos
from agentos.agent.agent import ModelRunnable
from agentos.db.base import Db
from agentos.kinds import LISTED, Kind, spelling
from agentos.os.api.schemas.about import (
    ConfigResponse,
    HealthResponse,
    HomeResponse,
    InfoResponse,
    McpInfo,
    ModelSummary,
    RunnableSummary,
)
from agentos.os.config import ChatConfig, DatabaseConfig, DomainConfig, DomainSection
from agentos.os.deps import server_of
from agentos.os.http.problem_route import ProblemRoute
from agentos.os.principal import OPEN, access_of
from agentos.os.registry import Served
from agentos.team import Team

T = TypeVar("T")

router = APIRouter(tags=["service"], route_class=ProblemRoute)


@router.get("/", include_in_schema=False, response_model_exclude_none=True)
async def home(request: Request) -> HomeResponse:
    """Links to the other entry points."""
    return HomeResponse(name=server_of(request).name or "AgentOS", docs=request.app.docs_url)


@router.get("/health", operation_id="health_check", summary="Check that the server lives")
async def health(request: Request) -> HealthResponse:
    """Responds while the process is alive; doesn't query the database."""
    return HealthResponse(instantiated_at=server_of(request).instantiated_at)


@router.get(
    "/info",
    operation_id="get_info",
    summary="Get names and versions, and how to sign in",
    response_model_exclude_unset=True,
)
async def info(request: Request) -> InfoResponse:
    """What a client needs to sign in.

    Counts and details are only shown to callers with a token that permits `GET /config`.
    """
    server, access = server_of(request), access_of(request.scope)
    shown = InfoResponse(
        os_id=server.id,
        name=server.name,
        os_version=server.version,
        agno_version=agentos.__version__,
        agentos_version=agentos.__version__,
        auth_mode="none" if access is OPEN else "security_key" if server.has_security_key else "jwt",
        mcp=McpInfo(enabled=False, tool_run_endpoint=False),
    )
    if access.permits("GET", "/config"):
        shown.agent_count = len(server.registry.all("agent"))
        shown.team_count = len(server.registry.all("team"))
        shown.workflow_count = len(server.registry.all("workflow"))
        shown.user_isolation = access.is_isolated
    return shown


@router.get(
    "/config",
    operation_id="get_config",
    summary="Get what a user interface needs",
    response_model_exclude_none=True,
)
async def config(request: Request) -> ConfigResponse:
    """Databases, prompts, and the agents, teams and workflows that the caller may read."""
    server, access = server_of(request), access_of(request.scope)
    registry, given = server.registry, server.config
    listed = {kind: access.listed(spelling(kind).family) for kind in LISTED}
    served = {kind: registry.all(kind) for kind in LISTED}
    shown = {kind: [each for each in served[kind] if _is_in(listed[kind], each.id)] for kind in LISTED}
    hidden = _ids(served) - _ids(shown)

    def may_see(id_: str) -> bool:
        return id_ in _ids(shown) or (id_ not in hidden and _is_in(listed["agent"], id_))

    return ConfigResponse(
        os_id=server.id,
        description=server.description,
        os_database=registry.default_db.id if registry.default_db else None,
        available_models=_models(given.available_models, [*shown["agent"], *shown["team"]]),
        databases=list(dict.fromkeys(db.id for db in registry.dbs)),
        chat=given.chat and ChatConfig(quick_prompts=_filtered(given.chat.quick_prompts, may_see)),
        manifest=given.manifest and _filtered(given.manifest, may_see),
        session=_section(given.session, registry.dbs, "sessions"),
        memory=_section(given.memory, registry.dbs, "memories"),
        agents=[_summary(each) for each in shown["agent"]],
        teams=[_summary(each) for each in shown["team"]],
        workflows=[_summary(each) for each in shown["workflow"]],
    )


def _is_in(ids: frozenset[str] | None, id_: str) -> bool:
    return ids is None or id_ in ids


def _ids(runnables: Mapping[Kind, Iterable[Served]]) -> set[str]:
    return {each.id for of_kind in runnables.values() for each in of_kind}


def _filtered(by_id: dict[str, T], may_see: Callable[[str], bool]) -> dict[str, T]:
    return {id_: value for id_, value in by_id.items() if may_see(id_)}


def _models(named: list[str] | None, runnables: list[Served]) -> list[ModelSummary]:
    if named is not None:
        return [_model(name) for name in named]
    used = {
        (agent.model.id, agent.model.provider): None
        for agent in runnables
        if isinstance(agent, ModelRunnable)
    }
    return [ModelSummary(id=model, provider=provider) for model, provider in used]


def _model(name: str) -> ModelSummary:
    provider, colon, model = name.partition(":")
    return ModelSummary(id=model, provider=provider) if colon else ModelSummary(id=name)


def _summary(runnable: Served) -> RunnableSummary:
    shown = RunnableSummary(
        id=runnable.id,
        name=runnable.name,
        db_id=runnable.db.id if runnable.db else None,
        metadata=dict(runnable.settings.metadata) or None,
    )
    if isinstance(runnable, Team):
        shown.mode = None if runnable.mode is None else str(runnable.mode)
    if isinstance(runnable, ModelRunnable):
        shown.description = runnable.description
        shown.model = ModelSummary(id=runnable.model.id, provider=runnable.model.provider)
    return shown


def _section(
    given: DomainSection | None, dbs: Iterable[Db], rows: Literal["sessions", "memories"]
) -> DomainSection:
    """The configured section, plus all databases that it doesn't mention."""
    tables: dict[str, list[str]] = {}
    for db in dbs:
        tables.setdefault(db.id, []).append(db.tables[rows])
    given = given or DomainSection()
    named = {each.db_id: each for each in given.dbs}
    found = [
        DatabaseConfig(db_id=db_id, domain_config=DomainConfig(display_name=db_id), tables=its_tables)
        for db_id, its_tables in tables.items()
        if db_id not in named
    ]
    return DomainSection(display_name=given.display_name, dbs=[*given.dbs, *found])
