"""Runnables as JSON: their configuration, without defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self, TypeVar

from pydantic import ConfigDict

from agentos.agent.agent import ModelRunnable
from agentos.agent.output import type_name
from agentos.kinds import Kind
from agentos.os.api_model import ApiModel
from agentos.os.registry import Served
from agentos.run.output_schema import OutputSchema
from agentos.run.runnable import Runnable
from agentos.team import Team

A = TypeVar("A", bound="AgentResponse")


def _closed(schema: dict[str, Any]) -> None:
    """Leaves fields of custom kinds (`probe_id`) out of the schema: generated clients don't need them."""
    schema.pop("additionalProperties", None)


class ModelResponse(ApiModel):
    """An agent's model."""

    name: str | None = None
    """The adapter."""
    model: str | None = None
    """The provider's name for the model."""
    provider: str | None = None
    """Who serves it."""


class OfRunnable(ApiModel):
    """An object that belongs to one runnable, named in the field of its kind."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_closed)

    @classmethod
    def shown(cls, kind: Kind, runnable_id: str | None, fields: Mapping[str, Any]) -> Self:
        """The given `fields` that this class has, and the runnable's id."""
        known = {name: value for name, value in fields.items() if name in cls.model_fields}
        return cls.model_validate({**known, f"{kind}_id": runnable_id})


class RunnableResponse(ApiModel):
    """The fields of every runnable. Nulls are left out."""

    id: str
    """Its id."""
    name: str | None = None
    """Its name."""
    db_id: str | None = None
    """The database that it uses."""
    sessions: dict[str, Any] | None = None
    """`session_table`, and how much history of a session it sees."""
    metadata: dict[str, Any] | None = None
    """The author's metadata."""

    @classmethod
    def of(cls, runnable: Served) -> Self:
        """The runnable as shown."""
        db = runnable.db
        return cls(
            id=runnable.id,
            name=runnable.name,
            db_id=db.id if db else None,
            sessions=_set(session_table=db.tables["sessions"] if db else None),
            metadata=dict(runnable.settings.metadata) or None,
        )


class AgentResponse(RunnableResponse):
    """One agent. Nulls are left out."""

    description: str | None = None
    """What it is for."""
    role: str | None = None
    """Its role."""
    model: ModelResponse | None = None
    """Its model."""
    tools: dict[str, Any] | None = None
    """`tools`: name, description and parameters of each."""
    memory: dict[str, Any] | None = None
    """`memory_table`, and how the agent uses memories."""
    system_message: dict[str, Any] | None = None
    """The parts of its system message."""
    response_settings: dict[str, Any] | None = None
    """`output_schema_name`: the schema that answers match."""
    streaming: dict[str, Any] | None = None
    """`stream_events`: whether it streams its events by default."""

    @classmethod
    def of(cls, runnable: Served) -> Self:
        """The agent as shown. A custom runnable only has the fields of every runnable."""
        shown = super().of(runnable)
        return _with_parts(shown, runnable) if isinstance(runnable, ModelRunnable) else shown


class TeamResponse(AgentResponse):
    """One team. Nulls are left out."""

    mode: str | None = None
    """How its leader works with the members."""
    members: list[TeamResponse | AgentResponse] | None = None
    """Its members, unless a function of the run chooses them."""

    @classmethod
    def of(cls, runnable: Served) -> Self:
        """The team as shown. A custom runnable only has the fields of every runnable."""
        shown = super().of(runnable)
        if isinstance(runnable, Team):
            shown.mode = None if runnable.mode is None else str(runnable.mode)
            shown.members = (
                None if callable(runnable.members) else [_member(each) for each in runnable.members]
            )
        return shown


def _member(runnable: Runnable) -> TeamResponse | AgentResponse:
    if isinstance(runnable, ModelRunnable):
        return (TeamResponse if isinstance(runnable, Team) else AgentResponse).of(runnable)
    return AgentResponse(id=runnable.id, name=runnable.name)


SCHEMAS: Final[Mapping[Kind, type[RunnableResponse]]] = {"agent": AgentResponse, "team": TeamResponse}
"""Schemas of kinds that have more than the common fields."""


def _with_parts(shown: A, agent: ModelRunnable) -> A:
    model = agent.model
    tools = [
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.spec.parameters)}
        for tool in agent.known_tools.values()
    ]
    shown.description = agent.description
    shown.role = agent.role
    shown.model = ModelResponse(name=model.name, model=model.id, provider=model.provider)
    shown.tools = {"tools": tools} if tools else None
    shown.sessions = _set(
        **(shown.sessions or {}),
        add_history_to_context=agent.add_history_to_context or None,
        num_history_runs=agent.num_history_runs if agent.add_history_to_context else None,
    )
    shown.memory = _set(
        memory_table=agent.db.tables["memories"] if agent.db and agent.add_memories_to_context else None,
        update_memory_on_run=agent.update_memory_on_run or None,
        enable_agentic_memory=agent.enable_agentic_memory or None,
        add_memories_to_context=agent.add_memories_to_context or None,
    )
    shown.system_message = _set(
        description=agent.description,
        role=agent.role,
        instructions=None if callable(agent.instructions) else agent.instructions,
        system_message=None if callable(agent.system_message) else agent.system_message,
        markdown=agent.markdown or None,
    )
    shown.response_settings = _set(output_schema_name=_schema_name(agent))
    shown.streaming = _set(stream_events=agent.stream_events or None)
    return shown


def _schema_name(agent: ModelRunnable) -> str | None:
    schema: OutputSchema | None = agent.output_schema
    if schema is None:
        return None
    return str(schema.get("title", "object")) if isinstance(schema, Mapping) else type_name(schema)


def _set(**values: Any) -> dict[str, Any] | None:
    """The values that are set, or None if none is."""
    return {name: value for name, value in values.items() if value is not None} or None
