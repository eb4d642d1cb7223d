"""Row-level security: Postgres hides each user's rows from other users' transactions.

Each table whose rows have an owner has a policy that compares them with two settings, `agentos.owner` and
`agentos.anyone`, which every transaction sets (`agentos.db.connection.caller`). Without these settings no row
is visible.

Policies apply neither to superusers nor to the owner of a table, so transactions act as the role
`agentos_app`, which is neither. Roles are shared by all databases of a server: a member of this role can
access the tables in every database that has them. If the role isn't available, FORCE ROW LEVEL SECURITY
applies the policies to the owner of the tables, who then sees rows in psql only after `SET agentos.anyone =
'on'`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from psycopg.errors import (
    DuplicateObject,
    InsufficientPrivilege,
    InvalidParameterValue,
    UndefinedObject,
    UniqueViolation,
)
from sqlalchemy import Connection, Table, bindparam, text
from sqlalchemy.exc import DBAPIError

from agentos.db.schema.columns import TEXTS
from agentos.db.schema.tables import Tables

ROLE: Final = "agentos_app"
"""The role that transactions act as."""

_REFUSALS = (DuplicateObject, InsufficientPrivilege, InvalidParameterValue, UndefinedObject, UniqueViolation)

# Subqueries are evaluated once for a statement, not for each row. On a connection that has made a setting
# before, it is '' in the next transaction, which is no user.
_OWN: Final = """
(SELECT current_setting('agentos.anyone', true) = 'on')
OR user_id = (SELECT nullif(current_setting('agentos.owner', true), ''))
"""

_MAY_ACT: Final = """
SELECT pg_has_role(
    oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
)
FROM pg_roles WHERE rolname = :role
"""

_BOUND: Final = """
SELECT
    (SELECT bool_and(row_security_active(name)) FROM unnest(:owned) AS name),
    (SELECT bool_and(has_table_privilege(name, 'SELECT')) FROM unnest(:used) AS name)
"""

# As Postgres prints the policies that `protect` creates: everything for `lift`, or as much as of the parent,
# whose row a foreign key requires.
_COVERED: Final = r"""
^\(\( SELECT \(current_setting\('agentos.anyone'::text, true\) = 'on'::text\)( AS \w+)?\) OR \(
|^\(EXISTS \( SELECT FROM .+ parent WHERE \(parent\.(\w+) = ("([^"]|"")+"|\w+)\.\2\)\)\)$
"""
_HIDDEN: Final = """
SELECT name FROM unnest(:names) AS name WHERE row_security_active(name) AND (
    EXISTS (SELECT FROM pg_policy WHERE polrelid = name::regclass AND NOT polpermissive)
    OR NOT EXISTS (
        SELECT FROM pg_policy
        WHERE polrelid = name::regclass AND polname = 'agentos_owner' AND polcmd = '*' AND polroles = '{0}'
        AND regexp_replace(pg_get_expr(polqual, polrelid), '\\s+', ' ', 'g') ~ :covered
    )
)
"""


def protect(
    connection: Connection, schema: str, table: str, *, through: tuple[str, str] | None = None
) -> None:
    """Limits each transaction to its caller's rows of a table. Revisions call this for new tables.

    A row's `user_id` names its owner. With `through=(parent, column)`, the owner is that of the row in
    `parent` with the same `column`; `parent` must be protected too.
    """
    name = _quoted(schema, table)
    rule = _OWN
    if through is not None:
        parent, column = _quoted(schema, through[0]), _quoted(through[1])
        rule = f"EXISTS (SELECT FROM {parent} AS parent WHERE parent.{column} = {name}.{column})"
    _run(connection, f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    _run(connection, f"DROP POLICY IF EXISTS agentos_owner ON {name}")
    _run(connection, f"CREATE POLICY agentos_owner ON {name} USING ({rule})")


def lift(connection: Connection) -> None:
    """Lets the current transaction see everyone's rows, as revisions must."""
    _run(connection, "SELECT set_config('agentos.anyone', 'on', true)")


def hidden(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those of the quoted tables whose policies may hide rows from the login role, also after `lift`."""
    look = text(_HIDDEN.replace("::", r"\:\:")).bindparams(bindparam("names", type_=TEXTS))
    covered = _COVERED.replace("\n", "")
    return list(connection.scalars(look, {"names": list(names), "covered": covered}))


def enforce(connection: Connection, tables: Tables) -> None:
    """Creates `ROLE` and grants it the tables. If that isn't permitted, applies the policies to the owner."""
    _attempt(connection, f"CREATE ROLE {ROLE} NOLOGIN")
    if not connection.scalar(text(_MAY_ACT), {"role": ROLE}):
        _attempt(connection, f"GRANT {ROLE} TO CURRENT_USER")
    changing = [table for table in tables.metadata.sorted_tables if "append_only" not in table.info]
    growing = [table for table in tables.metadata.sorted_tables if "append_only" in table.info]
    _attempt(
        connection,
        f"GRANT USAGE ON SCHEMA {_quoted(tables.names.schema)} TO {ROLE}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_names(changing))} TO {ROLE}",
        f"GRANT SELECT, INSERT ON {', '.join(_names(growing))} TO {ROLE}",
    )
    if not _binds(connection, tables, ROLE):
        for name in _names(tables.owned):
            _attempt(connection, f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")


def bound_role(connection: Connection, tables: Tables) -> str | None:
    """The role for transactions to which the policies apply: `ROLE`, or `""` for the login role.

    None if they apply to neither.
    """
    return next((role for role in (ROLE, "") if _binds(connection, tables, role)), None)


def _binds(connection: Connection, tables: Tables, role: str) -> bool:
    names = {"owned": _names(tables.owned), "used": _names(tables.metadata.sorted_tables)}
    look = text(_BOUND).bindparams(bindparam("owned", type_=TEXTS), bindparam("used", type_=TEXTS))
    trial = connection.begin_nested()
    try:
        if role:
            _run(connection, f"SET LOCAL ROLE {role}")
        is_bound, may_use = connection.execute(look, names).one()
    except DBAPIError as error:
        _expect(error)
        return False
    finally:
        trial.rollback()
    return is_bound and (may_use or not role)


def _attempt(connection: Connection, *statements: str) -> None:
    """Runs all statements, or none if one isn't permitted or another process has already run it."""
    try:
        with connection.begin_nested():
            for statement in statements:
                _run(connection, statement)
    except DBAPIError as error:
        _expect(error)


def _expect(error: DBAPIError) -> None:
    if not isinstance(error.orig, _REFUSALS):
        raise error


def _run(connection: Connection, statement: str) -> None:
    connection.execute(text(statement.replace(":", r"\:")))


def _names(tables: Iterable[Table]) -> list[str]:
    return [_quoted(table.schema or "public", table.name) for table in tables]


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
