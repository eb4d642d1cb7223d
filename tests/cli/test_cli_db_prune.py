"""`agentos db prune` deletes what is old, and says how much."""

from datetime import UTC, datetime

import pytest

from agentos.db.contracts.audit import AuditRecord
from agentos.os.audit import chain
from tests.cli.commands import agentos, stored
from tests.db.aged import a_conversation, age, left

PRUNE = ("db", "prune", "--url")


@pytest.fixture
def conversations(database):
    """One that is old, and one that isn't."""

    async def fill(db):
        for name in ("old", "young"):
            await a_conversation(db, name)

    stored(database, fill)
    age(database, "old", 40)
    age(database, "young", 2)
    return database


def counts(output: str) -> dict[str, int]:
    lines = [line.split() for line in output.splitlines()[1:]]
    return {name: int(count) for name, count in lines}


def test_old_sessions_go_and_are_counted(conversations):
    foretold = agentos(*PRUNE, conversations, "--older-than", "30d", "--dry-run")
    assert foretold.output.startswith("These rows would be deleted:")
    assert left(conversations)["sessions"] == 2
    done = agentos(*PRUNE, conversations, "--older-than", "30d")
    assert done.output.startswith("These rows were deleted:")
    assert counts(done.output) == counts(foretold.output)
    assert counts(done.output) == {"sessions": 1, "runs": 1, "events": 3, "approvals": 1, "workflows": 0}
    assert left(conversations)["sessions"] == 1


def test_logs_go_alone(conversations):
    done = agentos(*PRUNE, conversations, "--events-older-than", "36h")
    assert counts(done.output)["events"] == 6
    assert left(conversations)["events"] == 0
    assert left(conversations)["sessions"] == 2


def test_the_audit_goes_too_and_can_be_verified_after(database):
    async def fill(db):
        days = [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2)] + [datetime.now(UTC)]
        await chain.append(db, [AuditRecord(time=day, decision="denied", reason="x") for day in days])

    stored(database, fill)
    foretold = agentos(*PRUNE, database, "--audit-older-than", "30d", "--dry-run")
    assert counts(foretold.output)["audit"] == 2
    assert "3 rows, all intact" in agentos("audit", "verify", "--url", database).output
    assert counts(agentos(*PRUNE, database, "--audit-older-than", "30d").output)["audit"] == 2
    verified = agentos("audit", "verify", "--url", database)
    assert verified.output.startswith("Retention has deleted the rows up to 2.\n2 rows, all intact. Head: 4:")
    assert counts(agentos(*PRUNE, database, "--audit-older-than", "30d").output)["audit"] == 0


@pytest.mark.parametrize("ages", [(), ("--older-than", "30"), ("--older-than", "-3d"), ("--older-than", "")])
def test_without_an_age_that_makes_sense_nothing_goes(conversations, ages):
    called = agentos(*PRUNE, conversations, *ages)
    assert called.status == 1
    assert "--older-than" in called.refusal
    assert left(conversations)["sessions"] == 2


def test_tables_that_are_missing_are_one_sentence(empty_database):
    called = agentos(*PRUNE, empty_database, "--older-than", "30d")
    assert (called.status, "agentos db upgrade" in called.refusal) == (1, True)
