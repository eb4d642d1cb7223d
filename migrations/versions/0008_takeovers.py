"""How often a durable run was taken over at one step, so that one that kills its processes is ended."""

import sqlalchemy as sa
from alembic import context, op

from agentos.db.schema.table_names import TableNames

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    for name in ("takeovers", "takeover_steps"):
        op.add_column(names.runs, sa.Column(name, sa.Integer), schema=names.schema, if_not_exists=True)
