"""Runs the revisions on the connection, and under the table names, that `agentos.db.schema.upgrade` gives."""

from alembic import context
from sqlalchemy import Connection

from agentos.db.schema.table_names import TableNames

connection: Connection = context.config.attributes["connection"]
names: TableNames = context.config.attributes["names"]

context.configure(
    connection=connection,
    version_table=context.config.attributes.get("version_table", names.version_table),
    version_table_schema=names.schema,
)
with context.begin_transaction():
    context.run_migrations()
