"""The slow part of an upgrade, which `agentos db upgrade` does while servers run.

It builds missing indexes and runs backfills. The remaining work is read from the database each time, so an
interrupted upgrade continues where it stopped. Servers must work both before and after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from typing import Final

from sqlalchemy import Connection, Engine, Index, TextClause, func, select, text
from sqlalchemy.schema import CreateIndex, DropIndex

from agentos.db.schema import row_security
from agentos.db.schema.tables import Tables

BATCH: Final = 1000
"""Rows that a backfill changes per transaction."""

_VALID_INDEXES: Final = text("""
SELECT relname FROM pg_catalog.pg_class
JOIN pg_catalog.pg_index ON indexrelid = pg_class.oid
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = :schema AND indisvalid
""")
_LEFT: Final = Template("SELECT 1 FROM $table WHERE $where LIMIT 1")
_CHANGE: Final = Template("""
UPDATE $table SET $values
WHERE ctid = ANY (ARRAY (SELECT ctid FROM $table WHERE $where LIMIT $batch FOR UPDATE))
""")


@dataclass(frozen=True, slots=True)
class Backfill:
    """A change to rows of a potentially large table. A revision returns its own from `backfills(names)`."""

    table: str
    """With its schema, quoted if necessary."""
    where: str
    """The condition that a row is still to be changed; false afterwards."""
    values: str
    """The assignment, as in `depth = 0`."""

    def is_left(self, connection: Connection) -> bool:
        """Whether any rows are still to be changed."""
        return connection.execute(self._statement(_LEFT)).first() is not None

    def run(self, engine: Engine) -> None:
        """Changes all remaining rows, one transaction per batch."""
        change, changed = self._statement(_CHANGE), BATCH
        while changed:
            with engine.begin() as connection:
                row_security.lift(connection)
                changed = connection.execute(change).rowcount

    def _statement(self, template: Template) -> TextClause:
        fields = {"table": self.table, "where": self.where, "values": self.values, "batch": BATCH}
        return text(template.substitute(fields).replace(":", r"\:"))


def left(connection: Connection, tables: Tables, backfills: Sequence[Backfill]) -> tuple[str, ...]:
    """Describes the remaining work. The connection must see everyone's rows."""
    indexes = [f"index {index.name}" for index in missing_indexes(connection, tables)]
    return *indexes, *(f"rows of {each.table}" for each in backfills if each.is_left(connection))


def finish(engine: Engine, tables: Tables, backfills: Sequence[Backfill], *, key: int) -> None:
    """Does the work, unless another process holds the advisory lock `key` and is doing it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Who waited for the lock inside a statement would be waited for by the index that is being built.
        if not connection.scalar(select(func.pg_try_advisory_lock(key))):
            return
        build(connection, missing_indexes(connection, tables), concurrently=True)
        for backfill in backfills:
            backfill.run(engine)


def missing_indexes(connection: Connection, tables: Tables) -> list[Index]:
    """Indexes that the tables lack. An index whose build was interrupted counts as missing."""
    valid = set(connection.scalars(_VALID_INDEXES, {"schema": tables.names.schema}))
    wanted = [index for table in tables.metadata.sorted_tables for index in table.indexes]
    return sorted((index for index in wanted if index.name not in valid), key=lambda index: str(index.name))


def build(connection: Connection, indexes: Sequence[Index], *, concurrently: bool) -> None:
    """Builds indexes. `concurrently`, which allows writes, requires a connection in autocommit mode."""
    for index in indexes:
        index.dialect_options["postgresql"]["concurrently"] = concurrently
        connection.execute(DropIndex(index, if_exists=True))
        connection.execute(CreateIndex(index))
