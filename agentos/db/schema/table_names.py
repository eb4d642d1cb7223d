"""What the tables of a `PostgresDb` are called."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import Final

from agentos.errors import ConfigurationError

MAX_NAME = 40
"""Characters in a table's name; Postgres allows 63, and indexes are named after their table."""

_FIRST: Final = 7
"""How many of the names, with the schema's, a set of tables has had for as long as it may be."""


@dataclass(frozen=True, slots=True)
class TableNames:
    """Where a `PostgresDb` keeps things."""

    schema: str = "ai"
    sessions: str = "agentos_sessions"
    runs: str = "agentos_runs"
    events: str = "agentos_run_events"
    memories: str = "agentos_memories"
    service_accounts: str = "agentos_service_accounts"
    audit: str = "agentos_audit"
    executors: str = "agentos_executors"
    approvals: str = "agentos_approvals"

    def __post_init__(self) -> None:
        names = {
            "db_schema": self.schema,
            "session_table": self.sessions,
            "runs_table": self.runs,
            "event_table": self.events,
            "memory_table": self.memories,
            "service_account_table": self.service_accounts,
            "audit_table": self.audit,
            "executor_table": self.executors,
            "approval_table": self.approvals,
        }
        for parameter, name in names.items():
            if not name.isascii() or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
                raise ConfigurationError(f"{parameter}={name!r} must be 1 to {MAX_NAME} ASCII characters.")
        if len(set(names.values()) - {self.schema}) < len(names) - 1:
            raise ConfigurationError(f"{', '.join(list(names)[1:])} must differ.")

    @property
    def channel(self) -> str:
        """Where news about these tables' runs is told; a channel's name has at most 63 characters."""
        name = f"{self.schema}.{self.runs}"
        return name if len(name) <= 63 else f"agentos_{sha256(name.encode()).hexdigest()[:32]}"

    @property
    def version_table(self) -> str:
        """Where the revision is kept; each set of tables has its own.

        It is called after the tables that the first release had, and after later ones only if they were
        given a name, so that an upgrade finds it.
        """
        if self == TableNames(schema=self.schema):
            return "agentos_schema_version"
        given, usual = astuple(self), astuple(TableNames())
        later = zip(given[_FIRST:], usual[_FIRST:], strict=True)
        named = [*given[1:_FIRST], *(name for name, default in later if name != default)]
        return f"agentos_schema_version_{sha256('/'.join(named).encode()).hexdigest()[:8]}"
