"""Table names of a `PostgresDb`."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from hashlib import sha256
from shlex import quote
from typing import Final

from agentos.errors import ConfigurationError

PARAMETERS: Final = (
    "db_schema",
    "session_table",
    "runs_table",
    "event_table",
    "memory_table",
    "service_account_table",
    "audit_table",
    "executor_table",
    "approval_table",
    "state_change_table",
    "media_table",
)
"""The parameters of `PostgresDb` that set the names, in order."""

MAX_NAME = 40
"""Characters in a table name. Postgres allows 63, and index names contain the table name."""

_SCHEMA: Final = "ai"
_VERSION: Final = "agentos_schema_version"
_HASHED: Final = 6
"""Number of names in the hash from which the version table's former name was derived."""
_FORMER: Final = 8
"""Number of tables up to revision 0006."""


@dataclass(frozen=True, slots=True)
class TableNames:
    """The table names of one `PostgresDb`."""

    schema: str = _SCHEMA
    sessions: str = "agentos_sessions"
    runs: str = "agentos_runs"
    events: str = "agentos_run_events"
    memories: str = "agentos_memories"
    service_accounts: str = "agentos_service_accounts"
    audit: str = "agentos_audit"
    executors: str = "agentos_executors"
    approvals: str = "agentos_approvals"
    state_changes: str = "agentos_state_changes"
    media: str = "agentos_media"

    def __post_init__(self) -> None:
        names = dict(zip(PARAMETERS, astuple(self), strict=True))
        for parameter, name in names.items():
            if not name.isascii() or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
                raise ConfigurationError(f"{parameter}={name!r} must be 1 to {MAX_NAME} ASCII characters.")
        if "." in self.schema:
            raise ConfigurationError(f"db_schema={self.schema!r} must not have a dot.")
        taken = [*astuple(self)[1:], _VERSION, f"{self.sessions}_version"]
        if len(set(taken)) < len(taken):
            raise ConfigurationError(
                f"{', '.join(PARAMETERS[1:])} must differ, and {_VERSION!r} and {taken[-1]!r} are for the "
                "revision of the tables."
            )

    @property
    def upgrade_command(self) -> str:
        """What to run to upgrade these tables; the URL comes from the environment."""
        schema = f" --schema {quote(self.schema)}" if self.schema != _SCHEMA else ""
        named = zip(PARAMETERS[1:], *self._given_and_usual(), strict=True)
        custom = [f"{parameter}={name}" for parameter, name, usual in named if name != usual]
        return f"agentos db upgrade{schema}{''.join(f' --table {quote(each)}' for each in custom)}"

    @property
    def channel(self) -> str:
        """The channel for notifications about these tables' runs; at most 63 characters."""
        name = f"{self.schema}.{self.runs}"
        return name if len(name) <= 63 else f"agentos_{sha256(name.encode()).hexdigest()[:32]}"

    @property
    def version_table(self) -> str:
        """The table of the revision. Sets with custom names are distinguished by their `sessions` table."""
        given, usual = self._given_and_usual()
        return _VERSION if given == usual else f"{self.sessions}_version"

    @property
    def former_version_table(self) -> str:
        """The name up to revision 0006; an upgrade renames it."""
        given, usual = self._given_and_usual()
        if given == usual:
            return _VERSION
        later = zip(given[_HASHED:_FORMER], usual[_HASHED:_FORMER], strict=True)
        named = [*given[:_HASHED], *(name for name, default in later if name != default)]
        return f"{_VERSION}_{sha256('/'.join(named).encode()).hexdigest()[:8]}"

    def _given_and_usual(self) -> tuple[list[str], list[str]]:
        return list(astuple(self)[1:]), [str(field.default) for field in fields(self)[1:]]
