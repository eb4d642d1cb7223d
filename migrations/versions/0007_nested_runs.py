"""Nested runs, and kinds of runnables that a registry checks instead of the tables."""

import sqlalchemy as sa
from alembic import context, op

from agentos.db.schema.table_names import TableNames

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    # NULL means the run itself, and 0: rows of the release before stay as they are.
    for column in (sa.Column("root_run_id", sa.Text), sa.Column("depth", sa.Integer)):
        op.add_column(names.runs, column, schema=names.schema, if_not_exists=True)
    for table in (names.sessions, names.runs, names.approvals):
        op.drop_constraint(f"{table}_kind_check", table, schema=names.schema, if_exists=True)
