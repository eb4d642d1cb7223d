"""Row-level security: each transaction sees and writes its caller's rows."""

from alembic import context, op

from agentos.db.schema.row_security import protect
from agentos.db.schema.table_names import TableNames

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    connection = op.get_bind()
    protect(connection, names.schema, names.sessions)
    protect(connection, names.schema, names.runs)
    protect(connection, names.schema, names.memories)
    protect(connection, names.schema, names.events, through=(names.runs, "run_id"))
