"""The audit."""

import sqlalchemy as sa
from alembic import context, op

from agentos.db.schema.table_names import TableNames

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    name, schema = names.audit, names.schema
    op.create_table(
        name,
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("method", sa.Text),
        sa.Column("route", sa.Text),
        sa.Column("resource_id", sa.Text),
        sa.Column("principal", sa.Text),
        sa.Column("token_ref", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("hash", sa.Text, nullable=False),
        schema=schema,
        if_not_exists=True,
    )
    for column in ("time", "principal"):
        op.create_index(f"{name}_{column}", name, [column, "seq"], schema=schema, if_not_exists=True)
