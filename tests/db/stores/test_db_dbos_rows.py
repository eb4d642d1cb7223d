"""What DBOS has recorded of durable runs doesn't outlive them."""

import pytest
from dbos import DBOS

from agentos.db.contracts.deletion import Pruned
from agentos.errors import ConfigurationError
from tests.conftest import a_database, administering
from tests.db.aged import DAY, a_conversation, age, left

TABLES = ("workflow_input", "workflow_output", "operation_outputs", "workflow_status")


@pytest.fixture(scope="module")
def with_dbos(server_url, template):
    """The name of a database that has DBOS's own tables too."""
    with a_database(server_url, template) as url:
        DBOS.migrate(url)
        yield url.rpartition("/")[2]


@pytest.fixture
def database(server_url, with_dbos):
    with a_database(server_url, with_dbos) as url:
        yield url


@pytest.fixture
def recorded(database):
    """Stores what DBOS would of a workflow."""

    def record(workflow_id, *, status="SUCCESS", days=0, version="agentos-1"):
        with administering(database) as connection:
            connection.execute(
                "INSERT INTO dbos.workflow_status (workflow_uuid, status, application_version, completed_at)"
                " VALUES (%s, %s, %s, (extract(epoch from now()) - %s * 86400) * 1000)",
                [workflow_id, status, version, days],
            )
            for table in TABLES[:2]:
                connection.execute(f"INSERT INTO dbos.{table} (workflow_uuid) VALUES (%s)", [workflow_id])
            connection.execute(
                "INSERT INTO dbos.operation_outputs (workflow_uuid, function_id) VALUES (%s, 1)",
                [workflow_id],
            )

    return record


def recorded_of(database) -> list[set[str]]:
    with administering(database) as connection:
        found = (connection.execute(f"SELECT workflow_uuid FROM dbos.{table}").fetchall() for table in TABLES)
        return [{row[0] for row in rows} for rows in found]


async def continued(db, database, name, **fields):
    """A durable run that has been continued once."""
    await a_conversation(db, name, durable=True, **fields)
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_runs SET segment = 1 WHERE session_id = %s", [name])


async def test_what_is_recorded_of_durable_runs_goes_with_them(db, database, recorded):
    for name, days in (("old", 31), ("young", 1)):
        await continued(db, database, name)
        age(database, name, days)
        for segment in (0, 1):
            recorded(f"{name}-run:{segment}")
    foretold = await db.prune(older_than=30 * DAY, dry_run=True)
    assert (foretold.sessions, foretold.workflows) == (1, 2)
    assert await db.prune(older_than=30 * DAY) == foretold
    assert recorded_of(database) == [{"young-run:0", "young-run:1"}] * 4
    assert (await db.delete_user("alice")).counts["workflows"] == 2
    assert recorded_of(database) == [set()] * 4


async def test_what_others_have_in_the_schema_stays(db, database, recorded):
    recorded("left:0", days=3)
    recorded("theirs", days=3, version="theirs-1")
    for dry_run in (True, False):
        assert await db.prune(older_than=DAY, events_older_than=DAY, dry_run=dry_run) == Pruned()
    assert recorded_of(database) == [{"left:0", "theirs"}] * 4


async def test_a_role_that_may_not_forget_durable_runs_deletes_none(db, database, recorded):
    await continued(db, database, "durable")
    await a_conversation(db, "plain", user_id="bob")
    recorded("durable-run:0")
    with administering(database) as connection:
        if connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:
            pytest.skip("a superuser may do everything")
        connection.execute("REVOKE DELETE ON dbos.workflow_status FROM CURRENT_USER")
    with pytest.raises(ConfigurationError, match="dbos"):
        await db.delete_user("alice")
    assert left(database)["sessions"] == 2
    assert (await db.delete_user("bob")).counts["sessions"] == 1
    assert await db.prune(events_older_than=DAY) == Pruned()
    with administering(database) as connection:
        connection.execute("GRANT DELETE ON dbos.workflow_status TO CURRENT_USER")
    assert (await db.delete_user("alice")).counts["workflows"] == 1
