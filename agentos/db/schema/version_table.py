"""The table that stores the revision of a set of tables, and its renaming.

Sets are distinguished by `TableNames.sessions`. If several share it, the first gets the current name, and the
others keep the former one, which contains a hash of all names.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

from sqlalchemy import Connection, column, select, table, text
from sqlalchemy.dialects.postgresql import dialect

from agentos.db.schema.table_names import TableNames

_TABLES: Final = text("""
SELECT relname FROM pg_catalog.pg_class
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = :schema AND relkind IN ('r', 'p')
""")
_FORMER_UNTIL: Final = "0006"
"""The last revision at which all sets used the former name."""
_FORMER_TABLES: Final = slice(1, 9)
"""The tables that every set had at that revision."""


@dataclass(frozen=True, slots=True)
class Version:
    """The revision of a set of tables, and the table that stores it."""

    table: str
    revision: str | None


def find(connection: Connection, names: TableNames) -> Version | None:
    """None if the set has no tables yet."""
    tables = _tables(connection, names)
    if names.former_version_table in tables:
        return _read(connection, names.schema, names.former_version_table)
    if names.version_table not in tables:
        return None
    found = _read(connection, names.schema, names.version_table)
    is_complete = tables.issuperset(astuple(names)[_FORMER_TABLES])
    return found if is_complete or (found.revision or "") < _FORMER_UNTIL else None


def present(connection: Connection, names: TableNames) -> list[str]:
    """The names that tables of the set have, or would have, and that are taken."""
    versions = {names.version_table, names.former_version_table}
    return sorted(_tables(connection, names) & {*astuple(names)[1:], *versions})


def settle(connection: Connection, names: TableNames) -> str:
    """Returns where the revision is stored from now on: under the current name, unless another set has it.

    A view with the former name remains. A process of the previous release that starts during the upgrade
    finds the revision there; otherwise it would run its revisions again on newer tables.
    """
    former, present, found = names.former_version_table, names.version_table, find(connection, names)
    if found is not None and found.table == present:
        return present
    if present in _tables(connection, names):
        return former
    if found is not None:
        quote = dialect(paramstyle="named").identifier_preparer.quote  # doesn't double each %, as `text` does
        schema, old, new = quote(names.schema), quote(former), quote(present)
        for statement in (
            f"ALTER TABLE {schema}.{old} RENAME TO {new}",
            f"CREATE VIEW {schema}.{old} AS TABLE {schema}.{new}",
            f"GRANT SELECT ON {schema}.{old} TO PUBLIC",
        ):
            connection.execute(text(statement.replace(":", r"\:")))
    return present


def _read(connection: Connection, schema: str, name: str) -> Version:
    versions = table(name, column("version_num"), schema=schema)
    return Version(name, connection.scalar(select(versions.c.version_num)))


def _tables(connection: Connection, names: TableNames) -> set[str]:
    return set(connection.scalars(_TABLES, {"schema": names.schema}))
