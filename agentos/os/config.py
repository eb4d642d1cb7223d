"""Settings for user interfaces: `AgentOS(config=…)`, an object or a YAML file."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field, ValidationError

from agentos.errors import ConfigurationError
from agentos.os.api_model import ApiModel
from agentos.os.auth_settings import AuthorizationConfig

__all__ = [
    "AgentOSConfig",
    "AuthorizationConfig",
    "ChatConfig",
    "DatabaseConfig",
    "DomainConfig",
    "DomainSection",
    "Manifest",
]


class _Section(ApiModel):
    model_config = ConfigDict(extra="forbid")


class ChatConfig(_Section):
    """Settings of a chat page."""

    quick_prompts: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    """Suggested prompts, by agent id."""


class Manifest(_Section):
    """How one agent is presented."""

    description: str | None = None
    """What the agent is for."""
    labels: list[str] | None = None
    """Words to search for it."""
    quick_prompts: list[str] | None = None
    """Suggested prompts."""


class DomainConfig(_Section):
    """How one database is presented."""

    display_name: str | None = None
    """The name to show."""


class DatabaseConfig(_Section):
    """One database of a section."""

    db_id: str
    """The database's id."""
    domain_config: DomainConfig | None = None
    """How it is presented."""
    tables: list[str] | None = None
    """The tables that are shown."""


class DomainSection(_Section):
    """A page about one type of rows: its name, and the databases it lists first."""

    display_name: str | None = None
    """The page's name."""
    dbs: list[DatabaseConfig] = Field(default_factory=list[DatabaseConfig])
    """The databases, in the order shown."""


class AgentOSConfig(_Section):
    """Returned by `GET /config`. It has no effect on how agents run. Unknown fields are refused."""

    available_models: list[str] | None = None
    """`provider:model-id`; defaults to the models of the agents."""
    chat: ChatConfig | None = None
    """Settings of a chat page."""
    manifest: dict[str, Manifest] | None = None
    """How agents are presented, by their ids."""
    session: DomainSection | None = None
    """The page about sessions."""
    memory: DomainSection | None = None
    """The page about memories."""

    @classmethod
    def load(cls, path: str | PathLike[str]) -> AgentOSConfig:
        """Reads a YAML file. ConfigurationError names the invalid field."""
        name = fspath(path)
        try:
            data: Any = yaml.safe_load(Path(path).read_bytes())
        except OSError as error:
            raise ConfigurationError(f"config={name!r} can't be read: {error.strerror}.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"config={name!r} isn't YAML{_line(error)}.") from error
        try:
            return cls.model_validate({} if data is None else data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise ConfigurationError(f"config={name!r}: {field}: {first['msg']}.") from error


def _line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f": look at line {error.problem_mark.line + 1}"
    return ""
