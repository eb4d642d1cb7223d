"""The server itself as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from agentos.os.api.schemas.pages import Utc
from agentos.os.config import ChatConfig, DomainSection, Manifest


class HomeResponse(BaseModel):
    """Where to go from here."""

    name: str
    health: str = "/health"
    info: str = "/info"
    docs: str | None = None


class HealthResponse(BaseModel):
    """The process answers; it says nothing about the database."""

    status: str = "ok"
    instantiated_at: Utc
    """When this process made the app."""


class McpInfo(BaseModel):
    """Whether the server speaks MCP."""

    enabled: bool = False
    tool_run_endpoint: bool = False


class InfoResponse(BaseModel):
    """What is running, and how it is guarded."""

    os_id: str
    name: str | None = None
    os_version: str
    agno_version: str
    """The version of this software, under the name that existing clients look for."""
    agentos_version: str
    agent_count: int = 0
    team_count: int = 0
    workflow_count: int = 0
    mcp: McpInfo = Field(default_factory=McpInfo)
    auth_mode: Literal["none", "jwt", "security_key"]
    user_isolation: bool
    """Whether callers are kept to their own rows."""


class ModelSummary(BaseModel):
    """A model, as its provider calls it."""

    id: str | None = None
    provider: str | None = None


class AgentSummary(BaseModel):
    """An agent in an overview."""

    id: str
    name: str | None = None
    description: str | None = None
    db_id: str | None = None
    model: ModelSummary | None = None
    metadata: dict[str, Any] | None = None


class ConfigResponse(BaseModel):
    """What a user interface needs to know to begin. Nulls are left out."""

    os_id: str
    description: str | None = None
    os_database: str | None = None
    """The id of the database that is meant when a request names none."""
    available_models: list[ModelSummary]
    databases: list[str]
    chat: ChatConfig | None = None
    manifest: dict[str, Manifest] | None = None
    session: DomainSection | None = None
    memory: DomainSection | None = None
    agents: list[AgentSummary]
    teams: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    workflows: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    interfaces: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
