"""${message}.

Revises: ${down_revision or "nothing"}
"""

from alembic import context, op

from agentos.db.schema.table_names import TableNames

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    ${upgrades or "op.execute('SELECT 1')"}
