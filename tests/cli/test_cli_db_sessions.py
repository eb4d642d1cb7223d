"""`agentos db export-session` and `import-session` move a session from one database to another."""

import stat

import pytest

from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.cli.commands import agentos, stored
from tests.db.aged import a_conversation, left


@pytest.fixture
def conversation(database):
    stored(database, lambda db: a_conversation(db, "chat"))
    return database


def export(database, *arguments):
    return agentos("db", "export-session", "chat", "--url", database, *arguments)


def users(database, session_id="chat"):
    session = stored(database, lambda db: db.get_session(session_id, owner=ANYONE))
    return session and session.user_id


def test_a_session_moves(conversation, tmp_path):
    file = tmp_path / "chat.jsonl"
    assert export(conversation, "--out", file).status == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stored(conversation, lambda db: db.delete_sessions(["chat"], owner=ANYONE))
    called = agentos("db", "import-session", file, "--url", conversation)
    assert called.output == "Session chat of alice: 1 runs, 3 events.\n"
    assert (left(conversation)["events"], users(conversation)) == (3, "alice")


def test_a_session_moves_through_a_pipe_to_another_user(conversation):
    lines = export(conversation).output
    assert lines.count("\n") == 6
    called = agentos(
        "db", "import-session", "-", "--url", conversation, "--user-id", "bob", "--new-ids", stdin=lines
    )
    assert called.status == 0
    assert "of bob: 1 runs, 3 events" in called.output
    assert users(conversation, called.output.split()[1]) == "bob"
    assert users(conversation) == "alice"


def test_what_is_left_out_is_said(database):
    stored(database, lambda db: a_conversation(db, "chat", status=RunStatus.RUNNING))
    assert "1 unfinished runs are not exported." in export(database).output


def test_a_file_that_is_there_stays(conversation, tmp_path):
    file = tmp_path / "chat.jsonl"
    file.write_text("mine")
    assert "already exists" in export(conversation, "--out", file).refusal
    assert file.read_text() == "mine"
    assert "can't be written" in export(conversation, "--out", tmp_path / "no" / "file").refusal


def test_of_no_session_there_is_no_file(database, tmp_path):
    called = export(database, "--out", tmp_path / "chat.jsonl")
    assert (called.status, "not found" in called.refusal) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_cannot_be_is_one_sentence(conversation, tmp_path):
    file = tmp_path / "chat.jsonl"
    export(conversation, "--out", file)
    assert "already" in agentos("db", "import-session", file, "--url", conversation).refusal
    file.write_bytes(file.read_bytes()[:-40])
    called = agentos("db", "import-session", file, "--url", conversation, "--new-ids")
    assert called.refusal.startswith("Line 6: ")
    assert left(conversation)["sessions"] == 1
