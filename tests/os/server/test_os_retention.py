"""A server looks after its database while it runs, and doesn't fall over it."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from agentos.db.contracts.approvals import Approval
from agentos.db.contracts.audit import AuditRecord
from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError
from agentos.os.audit import chain
from agentos.os.server.retention import Retention, kept
from agentos.run.records import RunStatus
from tests.conftest import administering
from tests.db.aged import DAY, a_conversation, age, left

OFTEN = timedelta(milliseconds=20)


@asynccontextmanager
async def within(seconds=20):
    async with asyncio.timeout(seconds):
        yield


async def until(database, **rows):
    """Returns once there are so many rows."""
    async with within():
        while rows.items() - (await asyncio.to_thread(left, database)).items():
            await asyncio.sleep(0)


async def test_what_is_old_goes_again_and_again(db, database):
    await a_conversation(db, "chat")
    retention = Retention(sessions=30 * DAY, events=DAY, every=OFTEN)
    async with kept(db, retention):
        age(database, "chat", 2)
        await until(database, events=0, sessions=1)
        age(database, "chat", 40)
        await until(database, sessions=0)
    assert left(database)["runs"] == 0


async def test_a_server_prunes_the_audit(db):
    for number in range(9):
        await chain.append(db, [AuditRecord(time=datetime.now(UTC), decision="denied", reason=str(number))])
    async with kept(db, Retention(audit_rows=5, every=OFTEN)), within():
        while len(await db.read_audit(after=0, limit=20)) > 5:
            await asyncio.sleep(0)
    assert (await chain.verify(db)).bad_seq is None
    with pytest.raises(ConfigurationError, match="audit_rows=0"):
        Retention(audit_rows=0)


async def test_without_retention_approvals_run_out_and_everything_stays(db, database):
    await a_conversation(db, "chat", status=RunStatus.RUNNING)
    await db.create_approvals(
        [Approval(id="late", run_id="chat-run", tool_call_id="d", expires_at=1)], owner="alice"
    )
    age(database, "chat", 4000)
    expired = "SELECT id FROM ai.agentos_approvals WHERE status = 'expired'"
    async with kept(db, None), within():
        with administering(database) as connection:
            while not (found := connection.execute(expired).fetchall()):
                await asyncio.sleep(0)
    assert found == [("late",)]
    assert left(database) == {"sessions": 1, "runs": 1, "events": 3, "approvals": 2, "memories": 0}


async def test_a_database_that_is_away_is_logged_and_the_server_goes_on(caplog):
    tried_twice = asyncio.Event()

    class Away(PostgresDb):
        tries = 0

        async def expire_approvals(self):
            self.tries += 1
            if self.tries == 2:
                tried_twice.set()
            return await super().expire_approvals()

    away = Away("postgresql://ai:hush@127.0.0.1:1/away_from_housekeeping")
    async with kept(away, Retention(sessions=DAY, every=OFTEN)), within():
        await tried_twice.wait()
    [line] = caplog.messages
    assert "nothing listens on that port" in line
    assert "hush" not in line


async def test_the_end_of_the_server_is_the_end_of_housekeeping(db):
    before = asyncio.all_tasks()
    async with kept(db, Retention(sessions=DAY)):
        assert len(asyncio.all_tasks() - before) == 1
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("wrong", [{"sessions": -DAY}, {"events": timedelta(0)}, {"every": timedelta(0)}])
def test_an_age_that_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Retention(**wrong)
    assert Retention(**dict.fromkeys(wrong, DAY))
