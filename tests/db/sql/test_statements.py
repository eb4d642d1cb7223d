"""The files of SQL: what they assemble to is checked in, and fits any names of tables."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import assembled, statement, subjects
from tests.db.sql.snapshots import FOLDER, texts


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
