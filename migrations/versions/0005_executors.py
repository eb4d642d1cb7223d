"""Runs that outlive their process: who executes them, what they wait for, and who lives."""

import sqlalchemy as sa
from alembic import context, op

from agentos.db.schema.table_names import TableNames

revision = "0005"
down_revision = "0004"

STATUSES = "status IN ('PENDING', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED', 'ERROR', 'REGENERATED')"
LIVE = "status IN ('PENDING', 'RUNNING')"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    add_columns(names.runs, names.schema)
    allow_statuses(names.runs, names.schema)
    add_indexes(names.runs, names.schema)
    create_executors(names.executors, names.schema)


def add_columns(name: str, schema: str) -> None:
    columns: list[sa.Column[object]] = [
        sa.Column("executor_id", sa.Text),
        sa.Column("segment", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("durable", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("background", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("multitask", sa.Text),
        sa.Column("awaited", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("cancelling", sa.Text),
        sa.Column("arguments", sa.JSON),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text),
        sa.Column("history_before", sa.BigInteger),
    ]
    for column in columns:
        op.add_column(name, column, schema=schema, if_not_exists=True)


def allow_statuses(name: str, schema: str) -> None:
    op.drop_constraint(f"{name}_status_check", name, schema=schema, if_exists=True)
    op.create_check_constraint(f"{name}_status_check", name, STATUSES, schema=schema)


def add_indexes(name: str, schema: str) -> None:
    live, pending = sa.text(LIVE), sa.text("status = 'PENDING'")
    op.create_index(
        f"{name}_live",
        name,
        ["session_id", "position"],
        schema=schema,
        postgresql_where=live,
        if_not_exists=True,
    )
    op.create_index(
        f"{name}_pending", name, ["position"], schema=schema, postgresql_where=pending, if_not_exists=True
    )
    op.create_index(
        f"{name}_idempotency",
        name,
        [sa.text("coalesce(user_id, '')"), "kind", "runnable_id", "idempotency_key"],
        schema=schema,
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
        if_not_exists=True,
    )


def create_executors(name: str, schema: str) -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        name,
        sa.Column("executor_id", sa.Text, primary_key=True),
        sa.Column("started_at", instant, nullable=False, server_default=sa.text("now()")),
        sa.Column("beat_at", instant, nullable=False, server_default=sa.text("now()")),
        schema=schema,
        if_not_exists=True,
    )
