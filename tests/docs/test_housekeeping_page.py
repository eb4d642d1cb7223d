"""What docs/housekeeping.md says is so: its commands run, and print what it shows."""

import re
import shlex
from datetime import timedelta

import pytest

from agentos.os.server.retention import Retention
from tests.cli.commands import agentos, stored
from tests.db.aged import a_conversation, left
from tests.docs.readme import ROOT, looks_like, section

TEXT = (ROOT / "docs" / "housekeeping.md").read_text()


@pytest.fixture
def run(database, tmp_path, monkeypatch):
    """Runs the commands of a section; what they print."""
    monkeypatch.chdir(tmp_path)
    stored(database, lambda db: a_conversation(db, "chat"))

    def ran(heading: str) -> list[str]:
        commands = [
            shlex.split(line)
            for block in section(heading, TEXT)
            if block.language == "console"
            for line in block.text.splitlines()
        ]
        assert {name for name, *_ in commands} == {"agentos"}
        called = [agentos(*arguments, env={"DATABASE_URL": database}) for _, *arguments in commands]
        assert [each.status for each in called] == [0] * len(commands)
        return [each.output for each in called]

    return ran


def test_what_gets_old_can_be_foretold_and_pruned(run, database):
    foretold, done = run("Retention")
    assert foretold.splitlines()[1:] == done.splitlines()[1:]
    assert left(database)["sessions"] == 1


def test_the_servers_own_retention_is_as_shown():
    (block,) = [block for block in section("Retention", TEXT) if block.language == "python"]
    names: dict[str, object] = {}
    exec(block.text, names)
    assert names["retention"] == Retention(sessions=timedelta(days=30), events=timedelta(hours=6))


def test_the_receipt_is_as_shown(run, database):
    (receipt,) = run("Deleting a user")
    (shown,) = [block.text for block in section("Deleting a user", TEXT) if block.language == "json"]
    assert looks_like(shown, receipt)
    assert left(database)["sessions"] == 0


def test_a_session_moves_as_shown(run, database):
    _, imported = run("Moving a session")
    assert re.fullmatch(r"Session \S+ of bob: 1 runs, 3 events\.\n", imported)
    assert left(database)["sessions"] == 2
