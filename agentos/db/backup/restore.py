"""Restores an archive of `agentos.db.backup.dump` into a database without tables, in one transaction.

The set's tables are created as by an upgrade, at the revision of the archive, and filled from it; then they
are upgraded. What DBOS has recorded is created from the archive, since the schema `dbos` is DBOS's own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from sqlalchemy import Connection, Table, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from agentos.db.backup.archive import DBOS, Archive, Block, Counts, Name
from agentos.db.connection.url import parse_url
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import tables_under
from agentos.db.schema.upgrade import DatabaseSchema, SchemaStatus, create_schema
from agentos.errors import ConfigurationError

CHUNK: Final = 64 * 1024
"""Bytes sent to Postgres at once, unless a single row is longer."""

_UNHURRIED: Final = text("SELECT set_config('statement_timeout', '0', true)")


def restore_archive(db_url: str, names: TableNames, file: Path) -> tuple[Counts, SchemaStatus]:
    """Returns what was restored, and the status of the tables.

    ConfigurationError, and nothing is restored, if the database has tables of the set or of DBOS, if the file
    isn't a complete archive of the set, or if the role may not create tables. DatabaseUnavailableError.
    """
    archive, schema = Archive(file), DatabaseSchema(parse_url(db_url), names)
    versions, revision = _version(archive, names, file)
    with _refused(file), schema.restoration(revision) as connection:
        connection.execute(_UNHURRIED)
        if present := inspect(connection).get_table_names(schema=DBOS):
            raise ConfigurationError(
                f"There are tables in the schema {DBOS!r} already, like {present[0]!r}: restore into an "
                "empty database."
            )
        counts = _load(connection, archive, names, file) | _load_dbos(connection, archive)
    return {versions: 1, **counts}, schema.upgrade()


def _version(archive: Archive, names: TableNames, file: Path) -> tuple[Name, str]:
    """The table of the revision, which has one row, and the revision."""
    for table in (names.version_table, names.former_version_table):
        with closing(archive.blocks(names.schema, table)) as blocks:
            for block in blocks:
                return (names.schema, table), b"".join(block.rows).decode().strip()
    raise ConfigurationError(
        f"{str(file)!r} has no tables of db_schema={names.schema!r} under the given names: give the names "
        "that it was dumped with."
    )


def _load(connection: Connection, archive: Archive, names: TableNames, file: Path) -> Counts:
    """Fills the set's tables, referenced ones first."""
    counts: Counts = {}
    existing = inspect(connection).get_table_names(schema=names.schema)
    for table in tables_under(names).metadata.sorted_tables:
        if table.name not in existing:
            continue
        for block in archive.blocks(names.schema, table.name):
            counts[names.schema, table.name] = _copy(connection, block)
        if (names.schema, table.name) not in counts:
            raise ConfigurationError(f"{str(file)!r} has no table {names.schema}.{table.name}.")
        _advance(connection, table)
    return counts


def _advance(connection: Connection, table: Table) -> None:
    """Lets the numbers of new rows follow those of the restored ones."""
    for column in table.columns:
        if column.identity is not None:
            name = connection.dialect.identifier_preparer.format_table(table)
            sequence = func.pg_get_serial_sequence(name, column.name)
            connection.execute(select(func.setval(sequence, func.max(column))).select_from(table))


def _load_dbos(connection: Connection, archive: Archive) -> Counts:
    counts: Counts = {}
    before, after = archive.definitions(DBOS, "pre-data"), archive.definitions(DBOS, "post-data")
    if not before:
        return counts
    create_schema(connection, DBOS)
    driver = _driver(connection)
    driver.execute(before)
    for block in archive.blocks(DBOS):
        if block.table is None:
            driver.execute(block.statement)
        else:
            counts[block.table] = _copy(connection, block)
    driver.execute(after)
    driver.execute("RESET ALL")  # what the archive has set, like the search path
    return counts


def _copy(connection: Connection, block: Block) -> int:
    with _driver(connection).cursor() as cursor:
        with cursor.copy(block.statement) as copy:
            for chunk in _chunks(block.rows):
                copy.write(chunk)
        return cursor.rowcount


def _chunks(rows: Iterator[bytes]) -> Generator[bytes]:
    """The rows in pieces of about `CHUNK` bytes, since sending each by itself takes several times as long."""
    chunk = bytearray()
    for row in rows:
        chunk += row
        if len(chunk) >= CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


@contextmanager
def _refused(file: Path) -> Generator[None]:
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        raise ConfigurationError(
            f"Postgres refused what {str(file)!r} holds, or went away, and nothing was restored: "
            f"SQLSTATE {state or 'unknown'}."
        ) from error
