"""What the tables of a `PostgresDb` are called."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from hashlib import sha256

from agentos.errors import ConfigurationError

MAX_NAME = 40
"""Characters in a table's name; Postgres allows 63, and indexes are named after their table."""


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
            "approval_table": self.approvals,
        }
        for parameter, name in names.items():
            if not name.isascii() or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
                raise ConfigurationError(f"{parameter}={name!r} must be 1 to {MAX_NAME} ASCII characters.")
        if len(set(names.values()) - {self.schema}) < len(names) - 1:
            raise ConfigurationError(f"{', '.join(list(names)[1:])} must differ.")

    @property
    def version_table(self) -> str:
        """Where the revision is kept; each set of tables has its own."""
        if self == TableNames(schema=self.schema):
            return "agentos_schema_version"
        _, *tables = astuple(self)
        return f"agentos_schema_version_{sha256('/'.join(tables).encode()).hexdigest()[:8]}"
