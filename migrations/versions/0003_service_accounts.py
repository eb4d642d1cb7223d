"""Service accounts."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import ARRAY

from agentos.db.schema.table_names import TableNames

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    name, schema = names.service_accounts, names.schema
    instant = sa.DateTime(timezone=True)
    op.create_table(
        name,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("token_prefix", sa.Text, nullable=False),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("expires_at", instant),
        sa.Column("last_used_at", instant),
        sa.Column("revoked_at", instant),
        schema=schema,
        if_not_exists=True,
    )
    op.create_index(f"{name}_token", name, ["token_hash"], schema=schema, unique=True, if_not_exists=True)
    op.create_index(
        f"{name}_name",
        name,
        ["name"],
        schema=schema,
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
        if_not_exists=True,
    )
