"""How often a durable run was taken over at one step, so that one that kills its processes is ended."""

import sqlalchemy as sa
from alembic import context, op

from agentos.db.schema.table_names import TableNames

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    columns = {"takeovers": sa.Integer, "takeover_steps": sa.Integer, "taken_by": sa.Text}
    for name, type_ in columns.items():
        op.add_column(names.runs, sa.Column(name, type_), schema=names.schema, if_not_exists=True)
