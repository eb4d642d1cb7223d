"""The schema: tables, columns and indexes.

Lists read `sessions` and `memories` only. Each run has its own row, so the cost of a session doesn't grow
with its length, and its events are deleted with it. `migrations/` creates the same tables; a test compares
them.

`session_id` of these tables is the session's *key*. It equals the id that clients use, which is unique for
one owner only, unless another owner's session has that key: then `given_session_id` holds the id.

The state of a session is stored once, in its row. Each change to it adds rows to `state_changes`: the value
that a top-level key had before `version`, or NULL if it had none. So the state after an earlier version is
the present one with the oldest values behind that version put back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import dialect

from agentos.db.contracts.approvals import ApprovalStatus
from agentos.db.schema.columns import OBJECT, PAYLOAD, TEXTS, Content, Instant
from agentos.db.schema.table_names import TableNames
from agentos.run.records import RunStatus
from agentos.run.requirement import ApprovalType

SHARED = {"shared": True}
"""`info` of a table whose rows have no owner and need no row-level security."""

APPEND_ONLY = {**SHARED, "append_only": True}
"""`info` of a table to which the server may only append."""

NOW = text("extract(epoch from now())::bigint")
"""The database's clock, in epoch seconds."""

# With psycopg's parameters it would double each %, as `text` does.
_PREPARER = dialect(paramstyle="named").identifier_preparer
_LIVE = "status IN ('PENDING', 'RUNNING')"


class Tables:
    """The tables under their configured names."""

    def __init__(self, names: TableNames) -> None:
        self.names = names
        self.metadata = MetaData(schema=names.schema)
        self.sessions = _sessions(names, self.metadata)
        self.runs = _runs(names, self.metadata)
        self.events = _events(names, self.metadata)
        self.memories = _memories(names, self.metadata)
        self.service_accounts = _service_accounts(names, self.metadata)
        self.audit = _audit(names, self.metadata)
        self.executors = _executors(names, self.metadata)
        self.approvals = _approvals(names, self.metadata)
        self.state_changes = _state_changes(names, self.metadata)
        self.media = _media(names, self.metadata)

    @property
    def owned(self) -> list[Table]:
        """Tables whose rows have an owner: all except those with `info=SHARED`."""
        return [table for table in self.metadata.sorted_tables if "shared" not in table.info]

    def quoted(self) -> Mapping[str, str]:
        """Names of the tables and the notification channel as used in SQL statements."""
        tables = {
            "sessions": self.sessions,
            "runs": self.runs,
            "events": self.events,
            "memories": self.memories,
            "audit": self.audit,
            "executors": self.executors,
            "approvals": self.approvals,
            "state_changes": self.state_changes,
            "media": self.media,
        }
        channel = "'" + self.names.channel.replace("'", "''") + "'"
        return {name: _PREPARER.format_table(table) for name, table in tables.items()} | {"channel": channel}


@lru_cache(maxsize=16)
def tables_under(names: TableNames) -> Tables:
    """The tables under these names. Databases share them, because describing them takes milliseconds."""
    return Tables(names)


def _sessions(names: TableNames, metadata: MetaData) -> Table:
    name = names.sessions
    return Table(
        name,
        metadata,
        Column("session_id", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("runnable_id", Text),
        Column("user_id", Text),
        Column("session_name", Content),
        Column("title", Content),
        Column("session_state", OBJECT, nullable=False, server_default=text("'{}'")),
        Column("metadata", OBJECT),
        Column("summary", OBJECT),
        Column("metrics", OBJECT, nullable=False, server_default=text("'{}'")),
        Column("created_at", Instant, nullable=False, server_default=text("now()")),
        Column("updated_at", Instant, nullable=False, server_default=text("now()")),
        Column("given_session_id", Text),
        Column("state_version", BigInteger),
        Column("joined", OBJECT),
        Index(f"{name}_given", "given_session_id", postgresql_where=text("given_session_id IS NOT NULL")),
        Index(
            f"{name}_joined",
            "joined",
            postgresql_using="gin",
            postgresql_ops={"joined": "jsonb_path_ops"},
            postgresql_where=text("joined IS NOT NULL"),
        ),
        Index(f"{name}_created", "created_at"),
        Index(f"{name}_user_created", "user_id", "created_at"),
        Index(f"{name}_user_updated", "user_id", "updated_at"),
        Index(f"{name}_runnable_updated", "runnable_id", "updated_at"),
    )


def _runs(names: TableNames, metadata: MetaData) -> Table:
    name = names.runs
    return Table(
        name,
        metadata,
        Column("run_id", Text, primary_key=True),
        Column("session_id", Text, _inside(names.sessions, "session_id", names), nullable=False),
        Column("position", BigInteger, Identity(always=True), nullable=False),
        Column("kind", Text, nullable=False),
        Column("runnable_id", Text, nullable=False),
        Column("user_id", Text),
        Column("parent_run_id", Text),
        Column("status", Text, _one_of("status", list(RunStatus), name), nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", Instant, nullable=False, server_default=text("now()")),
        Column("input", PAYLOAD),
        Column("messages", PAYLOAD, nullable=False),
        Column("details", PAYLOAD, nullable=False),
        Column("executor_id", Text),
        Column("segment", Integer, nullable=False, server_default=text("0")),
        Column("durable", Boolean, nullable=False, server_default=text("false")),
        Column("background", Boolean, nullable=False, server_default=text("false")),
        Column("multitask", Text),
        Column("awaited", Boolean, nullable=False, server_default=text("false")),
        Column("cancelling", Text),
        Column("arguments", PAYLOAD),
        Column("idempotency_key", Text),
        Column("fingerprint", Text),
        Column("history_before", BigInteger),
        Column("root_run_id", Text),
        Column("depth", Integer),
        Column("takeovers", Integer),
        Column("takeover_steps", Integer),
        Column("taken_by", Text),
        Column("given_session_id", Text),
        Column("state_version", BigInteger),
        Column("queued_at", Instant),
        Column("started_at", Instant),
        Column("ended_at", Instant),
        Column("model", Text),
        Column("time_to_first_token", Double),
        Column("input_tokens", BigInteger),
        Column("output_tokens", BigInteger),
        Column("total_tokens", BigInteger),
        Column("cost", Double),
        Column("steps", PAYLOAD),
        Index(f"{name}_session", "session_id", "position"),
        Index(f"{name}_live", "session_id", "position", postgresql_where=text(_LIVE)),
        Index(f"{name}_pending", "position", postgresql_where=text("status = 'PENDING'")),
        Index(
            f"{name}_idempotency",
            text("coalesce(user_id, '')"),
            "kind",
            "runnable_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )


def _events(names: TableNames, metadata: MetaData) -> Table:
    return Table(
        names.events,
        metadata,
        Column("run_id", Text, _inside(names.runs, "run_id", names), primary_key=True),
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("name", Text, nullable=False),
        Column("text", Text, nullable=False),
    )


def _memories(names: TableNames, metadata: MetaData) -> Table:
    name = names.memories
    return Table(
        name,
        metadata,
        Column("memory_id", Text, primary_key=True),
        Column("memory", Content, nullable=False),
        Column("topics", TEXTS, nullable=False, server_default=text("'{}'")),
        Column("user_id", Text, nullable=False),
        Column("agent_id", Text),
        Column("team_id", Text),
        Column("created_at", Instant, nullable=False, server_default=text("now()")),
        Column("updated_at", Instant, nullable=False, server_default=text("now()")),
        Index(f"{name}_updated", "updated_at"),
        Index(f"{name}_user_updated", "user_id", "updated_at"),
        Index(f"{name}_topics", "topics", postgresql_using="gin"),
    )


def _service_accounts(names: TableNames, metadata: MetaData) -> Table:
    name = names.service_accounts
    return Table(
        name,
        metadata,
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("token_hash", Text, nullable=False),
        Column("token_prefix", Text, nullable=False),
        Column("scopes", TEXTS, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("created_by", Text),
        Column("expires_at", Instant),
        Column("last_used_at", Instant),
        Column("revoked_at", Instant),
        Index(f"{name}_token", "token_hash", unique=True),
        Index(f"{name}_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
        info=SHARED,
    )


def _audit(names: TableNames, metadata: MetaData) -> Table:
    name = names.audit
    return Table(
        name,
        metadata,
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("time", Instant, nullable=False),
        Column("decision", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("status", Integer),
        Column("method", Text),
        Column("route", Text),
        Column("resource_id", Text),
        Column("principal", Text),
        Column("token_ref", Text),
        Column("request_id", Text),
        Column("hash", Text, nullable=False),
        Index(f"{name}_time", "time", "seq"),
        Index(f"{name}_principal", "principal", "seq"),
        info=APPEND_ONLY,
    )


def _executors(names: TableNames, metadata: MetaData) -> Table:
    return Table(
        names.executors,
        metadata,
        Column("executor_id", Text, primary_key=True),
        Column("started_at", Instant, nullable=False, server_default=text("now()")),
        Column("beat_at", Instant, nullable=False, server_default=text("now()")),
        info=SHARED,
    )


def _approvals(names: TableNames, metadata: MetaData) -> Table:
    name = names.approvals
    return Table(
        name,
        metadata,
        Column("id", Text, primary_key=True),
        Column("run_id", Text, _inside(names.runs, "run_id", names), nullable=False),
        Column("session_id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("runnable_id", Text, nullable=False),
        Column("user_id", Text),
        Column("status", Text, _one_of("status", get_args(ApprovalStatus), name), nullable=False),
        Column("approval_type", Text, _one_of("approval_type", get_args(ApprovalType), name), nullable=False),
        Column("pause_type", Text),
        Column("tool_call_id", Text, nullable=False),
        Column("tool_name", Content),
        Column("tool_args", PAYLOAD),
        Column("source_name", Content),
        Column("requirements", PAYLOAD),
        Column("context", PAYLOAD),
        Column("resolution_data", PAYLOAD),
        Column("resolved_by", Text),
        Column("expires_at", BigInteger),
        Column("resolved_at", BigInteger),
        Column("created_at", BigInteger, nullable=False, server_default=NOW),
        Column("updated_at", BigInteger, nullable=False, server_default=NOW),
        Index(f"{name}_run", "run_id"),
        Index(f"{name}_created", "created_at"),
        Index(f"{name}_user_created", "user_id", "created_at"),
        Index(f"{name}_pending", "user_id", postgresql_where=text("status = 'pending'")),
    )


def _state_changes(names: TableNames, metadata: MetaData) -> Table:
    return Table(
        names.state_changes,
        metadata,
        Column("session_id", Text, _inside(names.sessions, "session_id", names), primary_key=True),
        Column("version", BigInteger, primary_key=True, autoincrement=False),
        Column("place", Integer, primary_key=True, autoincrement=False),
        Column("user_id", Text),
        Column("run_id", Text),
        Column("key", Content, nullable=False),
        Column("value", OBJECT),
    )


def _media(names: TableNames, metadata: MetaData) -> Table:
    return Table(
        names.media,
        metadata,
        Column("session_id", Text, _inside(names.sessions, "session_id", names), primary_key=True),
        Column("key", Text, primary_key=True),
        Column("user_id", Text),
        Column("mime_type", Content),
        Column("content", LargeBinary, nullable=False),
        Column("created_at", Instant, nullable=False, server_default=text("now()")),
    )


def _inside(table: str, column: str, names: TableNames) -> ForeignKey:
    return ForeignKey(f"{names.schema}.{table}.{column}", ondelete="CASCADE")


def _one_of(column: str, values: list[Any] | tuple[Any, ...], table: str) -> CheckConstraint:
    choices = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({choices})", name=f"{table}_{column}_check")
