"""What docs/backup.md says is so: its commands run, one after the other, and print what it says."""

import os
import re
import shlex
import subprocess

import psycopg
import pytest

from agentos.db import programs
from tests.cli.commands import Called, agentos, stored
from tests.conftest import administering, database_url
from tests.db.aged import a_conversation, left
from tests.docs.readme import ROOT, Block, section

TEXT = (ROOT / "docs" / "backup.md").read_text()


@pytest.fixture(autouse=True)
def conversation(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored(database, lambda db: a_conversation(db, "chat"))


def only(blocks: list[Block], language: str) -> str:
    (block,) = [block for block in blocks if block.language == language]
    return block.text


def run(heading: str, url: str) -> list[Called]:
    commands = [shlex.split(line) for line in only(section(heading, TEXT), "console").splitlines()]
    assert {name for name, *_ in commands} == {"agentos"}
    called = [agentos(*arguments, env={"DATABASE_URL": url}) for _, *arguments in commands]
    assert [each.status for each in called] == [0] * len(commands), called
    return called


def test_the_commands_dump_a_database_and_restore_it(database):
    (dumped,) = run("Dump", database)
    with administering(database) as connection:
        connection.execute(only(section("Restore", TEXT), "sql"))
        try:
            restored, _, _ = run("Restore", database_url(database, "restored"))
            assert left(database_url(database, "restored")) == left(database)
        finally:
            connection.execute("DROP DATABASE restored WITH (FORCE)")
    assert restored.output.splitlines()[:-1] == dumped.output.splitlines()[:-1]


def test_an_archive_of_pg_dump_alone_is_restored(database, empty_database):
    program, *options = shlex.split(only(section("`pg_dump` alone", TEXT), "console"))
    variables = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    given = psycopg.conninfo.conninfo_to_dict(database.replace("+psycopg", ""))
    login = {"PGPASSWORD": given["password"], **{variables[name]: given[name] for name in variables}}
    subprocess.run([programs.newest(program).path, *options], env=os.environ | login, check=True)
    assert agentos("db", "restore", "backup.dump", "--url", empty_database).status == 0
    assert left(empty_database) == left(database)


def test_the_options_are_there():
    shown = {command: agentos("db", command, "--help").output for command in ("dump", "restore")}
    for option in ("--force", "--schema", "--table", "--url"):
        assert option in shown["dump"]
    assert "--expect-head" in agentos("audit", "verify", "--help").output


@pytest.mark.parametrize("page", ["README.md", "docs/upgrades.md"])
def test_other_pages_lead_here(page):
    assert re.search(r"\]\((docs/)?backup\.md\)", (ROOT / page).read_text())
