"""The server itself as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from agentos.os.api.schemas.pages import Utc
from agentos.os.api_model import ApiModel
from agentos.os.config import ChatConfig, DomainSection, Manifest


class HomeResponse(ApiModel):
    """Links to the other entry points."""

    name: str
    """The server's name."""
    health: str = "/health"
    """Path of the health check."""
    info: str = "/info"
    """Path of the server's description."""
    docs: str | None = None
    """Path of the documentation; null if there is none."""


class HealthResponse(ApiModel):
    """The process responds. It says nothing about the database."""

    status: str = "ok"
    """Always `ok`."""
    instantiated_at: Utc
    """When this process created the app."""


class McpInfo(ApiModel):
    """Whether the server speaks MCP."""

    enabled: bool = False
    """Whether there is an MCP endpoint."""
    tool_run_endpoint: bool = False
    """Whether its tools can be called over REST as well."""


class InfoResponse(ApiModel):
    """What a client needs to sign in, and what the server runs."""

    os_id: str
    """The server's id."""
    name: str | None = None
    """The server's name."""
    os_version: str
    """The version that the operator gave the server."""
    agno_version: str
    """The version of this software, under the name that existing clients look for."""
    agentos_version: str
    """The version of this software."""
    agent_count: int | None = None
    """How many agents it serves; only for callers who may read the configuration, like the next three."""
    team_count: int | None = None
    """How many teams it serves."""
    workflow_count: int | None = None
    """How many workflows it serves."""
    mcp: McpInfo = Field(default_factory=McpInfo)
    """Whether it speaks MCP."""
    auth_mode: Literal["none", "jwt", "security_key"]
    """How callers authenticate."""
    user_isolation: bool | None = None
    """Whether callers are limited to their own rows."""


class ModelSummary(ApiModel):
    """A model, as its provider calls it."""

    id: str | None = None
    """The provider's name for the model."""
    provider: str | None = None
    """Who serves it."""


class RunnableSummary(ApiModel):
    """An agent, a team or a workflow in an overview."""

    id: str
    """Its id."""
    name: str | None = None
    """Its name."""
    description: str | None = None
    """What it is for."""
    db_id: str | None = None
    """The database that it uses."""
    mode: str | None = None
    """How a team's leader works with the members."""
    model: ModelSummary | None = None
    """Its model."""
    metadata: dict[str, Any] | None = None
    """The author's metadata."""


class ConfigResponse(ApiModel):
    """What a user interface needs at start-up. Nulls are left out."""

    os_id: str
    """The server's id."""
    description: str | None = None
    """What it is for."""
    os_database: str | None = None
    """The database used when a request names none."""
    available_models: list[ModelSummary]
    """The models that a user interface may offer."""
    databases: list[str]
    """The ids of all databases."""
    chat: ChatConfig | None = None
    """What a chat page offers."""
    manifest: dict[str, Manifest] | None = None
    """How agents, teams and workflows are presented, by their ids."""
    session: DomainSection | None = None
    """The databases that hold sessions."""
    memory: DomainSection | None = None
    """The databases that hold memories."""
    agents: list[RunnableSummary]
    """The agents that the caller may read."""
    teams: list[RunnableSummary]
    """The teams that the caller may read."""
    workflows: list[RunnableSummary]
    """The workflows that the caller may read."""
    interfaces: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    """Other interfaces besides this API."""
