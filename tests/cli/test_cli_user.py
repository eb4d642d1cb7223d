"""`agentos user delete` leaves nothing of a user but a receipt."""

import json
from hashlib import sha256

import pytest

from agentos.db.contracts.audit import AuditQuery
from agentos.os.audit import chain
from agentos.run.records import RunStatus
from tests.cli.commands import agentos, stored
from tests.db.aged import a_conversation, left

HASH = sha256(b"alice").hexdigest()


@pytest.fixture
def two_users(database):
    async def fill(db):
        for user in ("alice", "bob"):
            await a_conversation(db, user, user_id=user)

    stored(database, fill)
    return database


def delete(database, *arguments, stdin=None):
    return agentos("user", "delete", "alice", "--url", database, *arguments, stdin=stdin)


def audited(database):
    page = stored(database, lambda db: db.list_audit(AuditQuery()))
    verdict = stored(database, chain.verify)
    assert verdict.bad_seq is None
    return [(entry.record.reason, entry.record.resource_id) for entry in page.rows]


def test_everything_goes_and_the_receipt_says_how_much(two_users):
    called = delete(two_users, "--yes")
    assert called.status == 0
    assert HASH in called.output
    assert "alice" not in called.output
    lines = dict(line.split() for line in called.output.split("\n\n")[1].splitlines())
    assert lines == {"events": "3", "approvals": "1", "runs": "1", "sessions": "1"} | {
        "memories": "0",
        "state_changes": "1",
        "media": "1",
        "workflows": "0",
    }
    assert left(two_users)["sessions"] == 1


def test_the_audit_has_the_receipt(two_users):
    receipts = [json.loads(delete(two_users, "--yes", "--json").output) for _ in range(2)]
    assert [receipt["counts"]["sessions"] for receipt in receipts] == [1, 0]
    assert audited(two_users) == [
        ("user_deleted", f"{HASH}/{receipt['receipt_id']}") for receipt in reversed(receipts)
    ]


@pytest.mark.parametrize(("answer", "sessions"), [("n\n", 2), ("\n", 2), ("", 2), ("y\n", 1)])
def test_nothing_goes_before_somebody_says_so(two_users, answer, sessions):
    assert delete(two_users, stdin=answer).status == (0 if sessions == 1 else 1)
    assert left(two_users)["sessions"] == sessions


def test_a_user_with_a_run_that_does_not_end_goes_too(two_users):
    stored(two_users, lambda db: a_conversation(db, "live", status=RunStatus.RUNNING))
    assert delete(two_users, "--yes").status == 0
    assert left(two_users)["sessions"] == 1
