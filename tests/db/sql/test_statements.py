"""The files of SQL: what they assemble to is checked in, and fits any names of tables."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg

from agentos.db.postgres import PostgresDb
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import assembled, statement, subjects
from tests.db.sql.snapshots import FOLDER, texts

DIALECT = PGDialectAsync_psycopg()


def test_the_snapshots_are_what_is_sent():
    kept = {file.name: file.read_text() for file in FOLDER.glob("*.sql")}
    assert kept == texts(), "write them anew with: python -m tests.db.sql.snapshots"


@pytest.mark.parametrize("name", [*chain.from_iterable(subjects().values())])
def test_nothing_is_left_to_be_filled_in(name: str):
    sql = assembled(Tables(TableNames()), name)
    assert "$" not in sql
    assert "--" not in sql


def test_a_table_may_be_called_what_looks_like_a_parameter():
    tables = Tables(TableNames(runs='my:"runs'))
    found = statement(tables, "queue_length")
    assert 'ai."my:""runs"' in str(found.compile())
    assert not re.search(r"\bruns\b.*%\(runs", str(found.compile()))


@pytest.mark.parametrize("name", ["_accept_run", "_finish_run", "_append_events", "_read_news"])
def test_what_each_run_sends_is_parsed_by_psycopg_once(name: str):
    sent = getattr(PostgresDb("postgresql://u:p@127.0.0.1:1/d"), name).compile(dialect=DIALECT)
    assert len(str(sent)) <= 4096, "psycopg doesn't remember longer statements"


@pytest.mark.parametrize("name", [*chain.from_iterable(subjects().values())])
def test_literals_are_sent_as_they_are_written(name: str):
    literal = re.compile(r"'(?:[^']|'')*'")
    plain, dense = (assembled(Tables(TableNames()), name, dense=dense) for dense in (False, True))
    assert literal.findall(plain) == literal.findall(dense)
