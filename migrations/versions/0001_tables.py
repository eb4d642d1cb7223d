"""Sessions, runs, their events, memories.

Two sets of tables may share some: each statement accepts that its table is there already.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agentos.db.schema.table_names import TableNames

revision = "0001"
down_revision = None

KINDS = "kind IN ('agent', 'team', 'workflow')"
STATUSES = "status IN ('PENDING', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED', 'ERROR')"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    create_sessions(names.sessions, names.schema)
    create_runs(names.runs, names.schema, f"{names.schema}.{names.sessions}.session_id")
    create_events(names.events, names.schema, f"{names.schema}.{names.runs}.run_id")
    create_memories(names.memories, names.schema)


def create_sessions(name: str, schema: str) -> None:
    op.create_table(
        name,
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, one_of(KINDS, f"{name}_kind_check"), nullable=False),
        sa.Column("runnable_id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("session_name", sa.Text),
        sa.Column("title", sa.Text),
        sa.Column("session_state", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("metadata", JSONB),
        sa.Column("summary", JSONB),
        sa.Column("metrics", JSONB, nullable=False, server_default=sa.text("'{}'")),
        moment("created_at"),
        moment("updated_at"),
        schema=schema,
        if_not_exists=True,
    )
    index(f"{name}_created", name, ["created_at"], schema)
    index(f"{name}_user_created", name, ["user_id", "created_at"], schema)
    index(f"{name}_user_updated", name, ["user_id", "updated_at"], schema)
    index(f"{name}_runnable_updated", name, ["runnable_id", "updated_at"], schema)


def create_runs(name: str, schema: str, session: str) -> None:
    op.create_table(
        name,
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, sa.ForeignKey(session, ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, one_of(KINDS, f"{name}_kind_check"), nullable=False),
        sa.Column("runnable_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("parent_run_id", sa.Text),
        sa.Column("status", sa.Text, one_of(STATUSES, f"{name}_status_check"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        moment("updated_at"),
        sa.Column("input", sa.JSON),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        schema=schema,
        if_not_exists=True,
    )
    index(f"{name}_session", name, ["session_id", "position"], schema)


def create_events(name: str, schema: str, run: str) -> None:
    op.create_table(
        name,
        sa.Column("run_id", sa.Text, sa.ForeignKey(run, ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        schema=schema,
        if_not_exists=True,
    )


def create_memories(name: str, schema: str) -> None:
    op.create_table(
        name,
        sa.Column("memory_id", sa.Text, primary_key=True),
        sa.Column("memory", sa.Text, nullable=False),
        sa.Column("topics", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text),
        sa.Column("team_id", sa.Text),
        moment("created_at"),
        moment("updated_at"),
        schema=schema,
        if_not_exists=True,
    )
    index(f"{name}_updated", name, ["updated_at"], schema)
    index(f"{name}_user_updated", name, ["user_id", "updated_at"], schema)
    op.create_index(
        f"{name}_topics", name, ["topics"], schema=schema, postgresql_using="gin", if_not_exists=True
    )


def one_of(rule: str, name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=name)


def moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))


def index(name: str, table: str, columns: list[str], schema: str) -> None:
    op.create_index(name, table, columns, schema=schema, if_not_exists=True)
