"""Writes an archive of all rows of a set of tables, and counts them.

`pg_dump` runs as the role in the URL. If row-level security applies to that role, a setting lifts it, but
Postgres wouldn't report rows that remain hidden. So all rows are counted before, in the snapshot that
`pg_dump` uses, and compared with the archive.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from psycopg import conninfo
from psycopg.pq import Conninfo
from sqlalchemy import Connection, bindparam, func, select, table, text
from sqlalchemy.engine import URL

from agentos.db import programs
from agentos.db.backup.archive import DBOS, Archive, Counts
from agentos.db.connection.errors import answering, permitted
from agentos.db.connection.url import blocking_engine, connect_args, parse_url
from agentos.db.schema import row_security, version_table
from agentos.db.schema.columns import TEXTS
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.upgrade import require_postgres
from agentos.errors import ConfigurationError

# The connection waits for pg_dump, which needs its snapshot. Which settings there are depends on the version.
_PATIENCE: Final = text("""
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'statement_timeout', 'transaction_timeout')
""")
_RELATIONS: Final = text(
    """
SELECT
    nspname, relname, relkind IN ('r', 'p') AS is_table,
    has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS is_readable,
    row_security_active(c.oid) AS is_bound,
    ARRAY (
        SELECT owner.relname::text FROM pg_depend JOIN pg_class AS owner ON owner.oid = refobjid
        WHERE objid = c.oid AND classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
        AND deptype IN ('a', 'i')
    ) AS owners
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE nspname = ANY(:schemas) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
ORDER BY nspname, relname
""".replace("::", r"\:\:")
).bindparams(bindparam("schemas", type_=TEXTS))


@dataclass(frozen=True, slots=True)
class _Relation:
    """A table, view or sequence."""

    schema: str
    name: str
    is_table: bool
    is_readable: bool
    is_bound: bool
    """Whether row-level security applies to the login role."""
    owners: list[str]
    """The tables that a sequence belongs to."""


@dataclass(frozen=True, slots=True)
class _Selection:
    tables: list[_Relation]
    others: list[_Relation]
    """What else is in our schema."""

    @property
    def is_bound(self) -> bool:
        return any(each.is_bound for each in self.tables)


def write_archive(db_url: str, names: TableNames, file: Path) -> Counts:
    """Writes an archive to `file`, an existing one of which nothing is kept, and returns what it holds.

    ConfigurationError, whatever `file` holds by then, if there are no tables, if `pg_dump` is missing or
    older than the server, or if a row isn't in the archive. DatabaseUnavailableError.
    """
    remedy = "The role in db_url may not read the tables: use the role that owns them, or a superuser."
    url = parse_url(db_url)
    engine = blocking_engine(url)
    with permitted(remedy), answering(url, is_start=True), engine.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            version = int((connection.dialect.server_version_info or [0])[0])
            require_postgres(version)
            program = programs.newest("pg_dump")
            if program.major < version:
                raise ConfigurationError(
                    f"pg_dump {program.major} is older than the server in db_url, which is Postgres "
                    f"{version}: install the client programs of Postgres {version}, or name their folder in "
                    "AGENTOS_PG_BIN."
                )
            connection.execute(_PATIENCE)
            row_security.lift(connection)
            selection = _select(connection, names)
            counts = _count(connection, selection.tables)
            snapshot = connection.scalar(select(func.pg_export_snapshot()))
            options = [f"--snapshot={snapshot}", f"--file={file}", *_options(selection, names)]
            _run(program.path, url, options, is_bound=selection.is_bound)
    _compare(counts, Archive(file).counts())
    return counts


def _select(connection: Connection, names: TableNames) -> _Selection:
    version = version_table.find(connection, names)
    if version is None or version.revision is None:
        raise ConfigurationError(
            f"There is nothing to dump: db_schema={names.schema!r} has no tables under the given names."
        )
    rows = connection.execute(_RELATIONS, {"schemas": [names.schema, DBOS]})
    relations = [_Relation(*row) for row in rows]
    ours = {version.table, *astuple(names)[1:]}

    def is_wanted(each: _Relation) -> bool:
        return each.schema == DBOS or not ours.isdisjoint({each.name, *each.owners})

    tables = [each for each in relations if each.is_table and is_wanted(each)]
    for each in tables:
        if not each.is_readable:
            raise ConfigurationError(
                f"The role in db_url may not read the table {each.schema}.{each.name}: use the role that "
                "owns it, or a superuser."
            )
    if hidden := row_security.hidden(connection, [_quoted(each.schema, each.name) for each in tables]):
        raise ConfigurationError(
            f"Policies on {', '.join(hidden)} that agentos hasn't created may hide rows from the role in "
            "db_url: use a superuser, or a role with BYPASSRLS that may read the tables."
        )
    return _Selection(tables, [each for each in relations if not is_wanted(each)])


def _count(connection: Connection, tables: Sequence[_Relation]) -> Counts:
    counts: Counts = {}
    for each in tables:
        rows = select(func.count()).select_from(table(each.name, schema=each.schema))
        counts[each.schema, each.name] = connection.scalar(rows) or 0
    return counts


def _options(selection: _Selection, names: TableNames) -> list[str]:
    schemas = {names.schema, *(each.schema for each in selection.tables)}
    return [
        "--format=custom",
        "--encoding=UTF8",
        "--no-password",
        *(["--enable-row-security"] if selection.is_bound else []),
        *(f"--schema={_quoted(schema)}" for schema in sorted(schemas)),
        *(f"--exclude-table={_quoted(each.schema, each.name)}" for each in selection.others),
    ]


def _run(program: str, url: URL, options: Sequence[str], *, is_bound: bool) -> None:
    environment, connection = _login(url)
    if is_bound:
        environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} -c agentos.anyone=on"
    # Its own messages go to standard error.
    command = [program, *options, f"--dbname={connection}"]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode != 0:
        raise ConfigurationError(f"pg_dump exited with {done.returncode}, and nothing was dumped.")


def _login(url: URL) -> tuple[dict[str, str], str]:
    """The environment for libpq, and the options that no variable exists for. Secrets are in the former."""
    _, given = url.get_dialect()().create_connect_args(url)
    given = {**given, **connect_args(url)}
    environment, others = dict(os.environ), dict[str, str]()
    for option in Conninfo.get_defaults():
        value = given.get(option.keyword.decode())
        if value is None:
            continue
        if option.envvar is not None:
            environment[option.envvar.decode()] = str(value)
        elif option.dispchar != b"*":
            others[option.keyword.decode()] = str(value)
    return environment, conninfo.make_conninfo(**others)


def _compare(counts: Counts, archived: Counts) -> None:
    different = [name for name in {**counts, **archived} if counts.get(name) != archived.get(name)]
    if different:
        raise ConfigurationError(
            f"The archive doesn't hold the rows of {', '.join(map('.'.join, sorted(different)))}, and was "
            "deleted. If db_url names a pooler, name the server itself: a pooler may drop settings."
        )


def _quoted(*names: str) -> str:
    """As in SQL, and as a pattern of pg_dump that matches nothing else."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
