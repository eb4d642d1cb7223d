"""Revisions only add, and quickly, so that processes of the release before go on meanwhile.

`docs/upgrades.md` has the rules. What must be dropped is dropped one release after nothing uses it any more.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import NullPool, create_engine, event, text

from agentos.db.schema import row_security
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import Tables
from agentos.db.schema.upgrade import migrations_folder

RELEASED = "0006"
"""The revision of the last release. Its processes run on while a database is upgraded to the next one."""

_UNUSED = "what it refuses nobody writes before all processes are new: other kinds than the three"
ALLOWED = {
    f"ALTER TABLE ai.agentos_{table} DROP CONSTRAINT IF EXISTS agentos_{table}_kind_check": _UNUSED
    for table in ("sessions", "runs", "approvals")
} | {
    "ALTER TABLE ai.agentos_approvals DROP CONSTRAINT IF EXISTS agentos_approvals_pause_type_check": (
        "what it refuses nobody writes yet: it makes room for other reasons to wait"
    )
}
"""Statements that break a rule, and why they may."""

FORBIDDEN = {
    "takes away what processes use": r"\b(DROP|RENAME|TRUNCATE)\b|^DELETE\b",
    "changes what processes write": r"\bALTER COLUMN\b.*\b(TYPE|SET NOT NULL)\b",
    "refuses what processes write": r"^ALTER TABLE\b.*\bADD (CONSTRAINT|CHECK|UNIQUE|FOREIGN|EXCLUDE)\b",
    "rewrites rows in a start's transaction": r"^UPDATE\b",
    "builds an index in a start's transaction": r"^CREATE (UNIQUE )?INDEX\b",
}
COLUMNS = """
SELECT table_name || '.' || column_name,
    is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES'
FROM information_schema.columns WHERE table_schema = 'ai' AND table_name = ANY (:tables)
"""


def broken(statement: str, tables: set[str]) -> str | None:
    """The rule that a statement breaks, if it is about one of `tables`, which processes use meanwhile."""
    plain = " ".join(statement.replace('"', "").split())
    if not any(re.search(rf"\b{table}\b", plain) for table in tables):
        return None
    return next((rule for rule, sign in FORBIDDEN.items() if re.search(sign, plain, re.IGNORECASE)), None)


@contextmanager
def released(url: str) -> Iterator:
    """A connection to tables as the last release has made them, what upgrades them, and their names."""
    names = TableNames()
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE SCHEMA ai"))
        row_security.lift(connection)
        config.attributes.update(connection=connection, names=names)
        upgrade(config, RELEASED)
        found = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'ai'"))
        yield connection, config, set(found) - {names.version_table}


def test_revisions_after_the_last_release_only_add(empty_database):
    statements: list[str] = []
    with released(empty_database) as (connection, config, tables):
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        upgrade(config, "head")
        findings = {statement: broken(statement, tables) for statement in statements}
        assert {each: rule for each, rule in findings.items() if rule and each not in ALLOWED} == {}


def required(connection, tables) -> set[str]:
    """The columns that whoever adds a row must fill."""
    return {
        name for name, is_free in connection.execute(text(COLUMNS), {"tables": list(tables)}) if not is_free
    }


def test_processes_of_the_last_release_can_add_rows_after_the_upgrade(empty_database):
    with released(empty_database) as (connection, config, tables):
        before = required(connection, tables)
        upgrade(config, "head")
        assert required(connection, tables) == before
        connection.execute(
            text("ALTER TABLE ai.agentos_runs ADD free text, ADD filled int DEFAULT 0 NOT NULL")
        )
        assert required(connection, tables) == before
        connection.execute(text("ALTER TABLE ai.agentos_runs ADD must text NOT NULL"))
        assert required(connection, tables) == before | {"agentos_runs.must"}


TABLES = {table.name for table in Tables(TableNames()).metadata.sorted_tables}


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ai.agentos_runs DROP COLUMN input",
        "ALTER TABLE ai.agentos_runs RENAME COLUMN input TO asked",
        "ALTER TABLE ai.agentos_runs DROP CONSTRAINT IF EXISTS agentos_runs_status_check",
        "ALTER TABLE ai.agentos_runs ALTER COLUMN segment TYPE bigint",
        "ALTER TABLE ai.agentos_runs ALTER COLUMN arguments SET NOT NULL",
        "ALTER TABLE ai.agentos_runs ADD CONSTRAINT short CHECK (length(run_id) < 40)",
        'UPDATE "ai"."agentos_runs" SET segment = 0',
        "CREATE INDEX agentos_runs_parent ON ai.agentos_runs (parent_run_id)",
        "DROP TABLE ai.agentos_memories",
    ],
)
def test_what_old_processes_would_notice_is_found(statement):
    assert broken(statement, TABLES)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ai.agentos_runs ADD COLUMN IF NOT EXISTS depth INTEGER",
        "CREATE TABLE ai.agentos_chunks (id TEXT, CONSTRAINT short CHECK (length(id) < 40))",
        "CREATE INDEX agentos_chunks_hash ON ai.agentos_chunks (hash)",
        "DROP TABLE ai.agentos_chunks",
        "UPDATE ai.agentos_schema_version SET version_num = '0007'",
    ],
)
def test_what_they_do_not_notice_is_free(statement):
    assert broken(statement, TABLES) is None
