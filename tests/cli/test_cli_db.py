"""`agentos db` creates the tables and says where they stand."""

from tests.cli.commands import agentos

# Empty, though the database has tables: they are in another schema.
SCHEMA = ("--schema", "fresh")


def test_status_and_upgrade_agree(database: str):
    before = agentos("db", "status", "--url", database, *SCHEMA)
    upgraded = agentos("db", "upgrade", "--url", database, *SCHEMA)
    after = agentos("db", "status", "--url", database, *SCHEMA)
    again = agentos("db", "upgrade", "--url", database, *SCHEMA)
    assert [called.status for called in (before, upgraded, after, again)] == [1, 0, 0, 0]
    assert "run `agentos db upgrade --schema fresh`" in before.output
    assert "Upgraded from nothing" in upgraded.output
    assert "up to date" in after.output
    assert "up to date" in again.output


def test_the_url_may_come_from_the_environment(database: str):
    for name in ("AGENTOS_DB_URL", "DATABASE_URL"):
        assert agentos("db", "status", env={name: database}).status == 0


def test_without_a_url_the_variables_are_named():
    called = agentos("db", "status")
    assert called.status == 2
    assert "AGENTOS_DB_URL" in called.output


def test_a_database_that_is_away_is_one_sentence_without_the_password():
    called = agentos("db", "upgrade", "--url", "postgresql://ai:hush@127.0.0.1:1/ai")
    assert called.status == 1
    assert called.refusal
    assert "hush" not in called.refusal + called.output


def test_tables_with_names_of_their_own_are_named(database: str):
    named = ("--table=session_table=my chats", "--table=runs_table=my runs")
    before = agentos("db", "status", "--url", database, *named)
    upgraded = agentos("db", "upgrade", "--url", database, *named)
    after = agentos("db", "status", "--url", database, *named)
    assert [called.status for called in (before, upgraded, after)] == [1, 0, 0]
    assert "Upgraded from nothing" in upgraded.output
    for wrong in ("chats", "db_schema=other", "pool_size=3"):
        refused = agentos("db", "status", "--url", database, f"--table={wrong}")
        assert refused.refusal.startswith(f"--table={wrong} must begin with one of session_table, ")
