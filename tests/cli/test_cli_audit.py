"""`agentos audit verify` tells an untouched audit from another, on the database alone."""

import asyncio
from datetime import UTC, datetime

from agentos.db.contracts.audit import AuditRecord
from agentos.db.postgres import PostgresDb
from agentos.os.audit.chain import BEGINNING, chained
from tests.cli.commands import agentos
from tests.conftest import administering

VERIFY = ("audit", "verify", "--url")


def fill(url: str) -> None:
    async def append():
        db = PostgresDb(url, pool_size=1)
        record = AuditRecord(time=datetime.now(UTC), decision="allowed", reason="granted")
        await db.append_audit(chained(BEGINNING, [record] * 3))
        await db.close()

    asyncio.run(append())


def test_an_untouched_audit_is_said_to_be_so(database: str):
    assert "0 rows" in agentos(*VERIFY, database).output
    fill(database)
    called = agentos(*VERIFY, database)
    assert called.status == 0
    assert "3 rows" in called.output
    head = called.output.split()[-1]
    assert agentos(*VERIFY, database, "--expect-head", head).status == 0


def test_the_first_bad_row_is_named(database: str):
    fill(database)
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_audit SET reason = 'other' WHERE seq = 2")
    called = agentos(*VERIFY, database)
    assert called.status == 1
    assert "row 2 isn't what was written there" in called.output


def test_a_cut_end_is_found_by_the_noted_head(database: str):
    fill(database)
    head = agentos(*VERIFY, database).output.split()[-1]
    with administering(database) as connection:
        connection.execute("DELETE FROM ai.agentos_audit WHERE seq = 3")
    assert agentos(*VERIFY, database).status == 0
    called = agentos(*VERIFY, database, "--expect-head", head)
    assert called.status == 1
    assert "row 3 is missing" in called.output
    assert "SEQ:HASH" in agentos(*VERIFY, database, "--expect-head", "3").refusal
