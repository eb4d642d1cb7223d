"""Approvals."""

import sqlalchemy as sa
from alembic import context, op

from agentos.db.schema.row_security import protect
from agentos.db.schema.table_names import TableNames

revision = "0006"
down_revision = "0005"

NOW = sa.text("extract(epoch from now())::bigint")


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    name, schema = names.approvals, names.schema
    op.create_table(
        name,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column(
            "run_id",
            sa.Text,
            sa.ForeignKey(f"{schema}.{names.runs}.run_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, one_of("kind", "agent team workflow", name), nullable=False),
        sa.Column("runnable_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column(
            "status",
            sa.Text,
            one_of("status", "pending approved rejected expired cancelled", name),
            nullable=False,
        ),
        sa.Column("approval_type", sa.Text, one_of("approval_type", "required audit", name), nullable=False),
        sa.Column(
            "pause_type", sa.Text, one_of("pause_type", "confirmation user_input external_execution", name)
        ),
        sa.Column("tool_call_id", sa.Text, nullable=False),
        sa.Column("tool_name", sa.Text),
        sa.Column("tool_args", sa.JSON),
        sa.Column("source_name", sa.Text),
        sa.Column("requirements", sa.JSON),
        sa.Column("context", sa.JSON),
        sa.Column("resolution_data", sa.JSON),
        sa.Column("resolved_by", sa.Text),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False, server_default=NOW),
        sa.Column("updated_at", sa.BigInteger, nullable=False, server_default=NOW),
        schema=schema,
        if_not_exists=True,
    )
    for suffix, columns in (
        ("run", ["run_id"]),
        ("created", ["created_at"]),
        ("user_created", ["user_id", "created_at"]),
    ):
        op.create_index(f"{name}_{suffix}", name, columns, schema=schema, if_not_exists=True)
    op.create_index(
        f"{name}_pending",
        name,
        ["user_id"],
        schema=schema,
        postgresql_where=sa.text("status = 'pending'"),
        if_not_exists=True,
    )
    protect(op.get_bind(), schema, name)


def one_of(column: str, values: str, table: str) -> sa.CheckConstraint:
    choices = ", ".join(f"'{value}'" for value in values.split())
    return sa.CheckConstraint(f"{column} IN ({choices})", name=f"{table}_{column}_check")
