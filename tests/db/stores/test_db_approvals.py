"""Approvals are asked for once, decided once, and end with their time or their run."""

import asyncio
from dataclasses import replace
from time import time

import pytest

from agentos.db.contracts.approvals import Approval, ApprovalQuery
from agentos.errors import ConflictError, InvalidInputError, NotFoundError
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.conftest import administering
from tests.db.made import UNSTORABLE, a_run, accepted, finished
from tests.db.schema.test_row_security import Unguarded


def an_approval(run_id="run", call="call", **fields) -> Approval:
    return Approval(id=f"{run_id}:{call}", run_id=run_id, tool_call_id=call, **fields)


async def asked(db, run_id="run", *, user_id="alice", call="call", **fields) -> Approval:
    """A pending approval of a run that is there then."""
    if await db.get_run(run_id, owner=ANYONE) is None:
        await accepted(db, a_run(f"{run_id}-chat", user_id=user_id, run_id=run_id))
    approval = an_approval(run_id, call, **fields)
    await db.create_approvals([approval], owner=user_id)
    return await db.get_approval(approval.id, owner=user_id)


async def test_an_approval_comes_back_with_what_its_run_says_of_it(db):
    await accepted(db, a_run("chat", run_id="run"))
    given = an_approval(
        approval_type="audit",
        pause_type="user_input",
        tool_name="send",
        tool_args={"to": "bob", "n": 1.50},
        expires_at=int(time()) + 100,
        source_name="Web",
        requirements=[{"id": "r"}],
        context={"why": None},
        session_id="elsewhere",
        kind="team",
        runnable_id="other",
        user_id="mallory",
    )
    await db.create_approvals([given], owner="alice")
    found = await db.get_approval(given.id, owner="alice")
    assert abs(found.created_at - time()) < 60
    assert found == replace(
        given,
        session_id="chat",
        kind="agent",
        runnable_id="web",
        user_id="alice",
        created_at=found.created_at,
        updated_at=found.updated_at,
        run_status=found.run_status,
    )
    assert not found.run_status.is_final


async def test_asking_again_changes_nothing(db):
    await asked(db, tool_name="send")
    decided = await db.resolve_approval("run:call", status="approved", resolved_by="admin", owner=ANYONE)
    await db.create_approvals([an_approval(tool_name="other")], owner="alice")
    assert await db.approvals_of(["run"], owner="alice") == [decided]
    assert decided.tool_name == "send"


@pytest.mark.parametrize(("owner", "sees"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_an_approval_is_seen_decided_and_deleted_by_its_owner_only(db, owner, sees):
    await asked(db)
    assert (await db.get_approval("run:call", owner=owner) is not None) == sees
    assert (await db.list_approvals(ApprovalQuery(), owner=owner)).total == sees
    assert await db.count_approvals(owner=owner) == sees
    assert len(await db.approvals_of(["run"], owner=owner)) == sees
    decided = await db.resolve_approval("run:call", status="rejected", resolved_by="admin", owner=owner)
    assert (decided is not None) == sees
    assert (await db.get_approval("run:call", owner=ANYONE)).status == ("rejected" if sees else "pending")
    assert await db.delete_approval("run:call", owner=owner) == sees
    assert await db.delete_approval("run:call", owner=ANYONE) != sees


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_only_who_sees_a_run_can_ask_for_its_approval(db, owner, may):
    await accepted(db, a_run("chat", run_id="run"))
    if may:
        await db.create_approvals([an_approval()], owner=owner)
    else:
        with pytest.raises(NotFoundError):
            await db.create_approvals([an_approval()], owner=owner)
    assert await db.count_approvals(owner=ANYONE) == may


async def test_an_approval_of_no_run_is_refused(db):
    await accepted(db, a_run("chat", run_id="run"))
    with pytest.raises(NotFoundError):
        await db.create_approvals([an_approval(), an_approval("gone")], owner=ANYONE)
    for bad in (*UNSTORABLE.values(), ""):
        with pytest.raises(InvalidInputError):
            await db.create_approvals([replace(an_approval(), id=bad)], owner=ANYONE)
        assert await db.get_approval(bad, owner=ANYONE) is None
    await db.create_approvals([], owner="alice")


async def test_a_decision_says_who_when_and_what(db):
    await asked(db)
    decided = await db.resolve_approval(
        "run:call", status="approved", resolved_by="admin", resolution_data={"note": "ok"}, owner=ANYONE
    )
    assert (decided.status, decided.resolved_by, decided.resolution_data) == (
        "approved",
        "admin",
        {"note": "ok"},
    )
    assert abs(decided.resolved_at - time()) < 60
    assert await db.resolve_approval("no", status="approved", resolved_by="admin", owner=ANYONE) is None


async def test_of_many_decisions_at_once_one_counts(db):
    await asked(db)
    attempts = [
        db.resolve_approval("run:call", status=status, resolved_by=f"{status} {number}", owner=ANYONE)
        for number in range(5)
        for status in ("approved", "rejected")
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    winners = [result for result in results if isinstance(result, Approval)]
    refusals = [str(result) for result in results if isinstance(result, ConflictError)]
    assert (len(winners), len(refusals)) == (1, 9)
    assert set(refusals) == {f"Approval is already {winners[0].status!r} and cannot be resolved"}
    assert await db.get_approval("run:call", owner=ANYONE) == winners[0]


async def test_one_whose_time_is_over_is_expired_before_anybody_writes_it_down(db):
    await asked(db, "late", expires_at=int(time()) - 5)
    await asked(db, "early", expires_at=int(time()) + 1000)
    assert (await db.get_approval("late:call", owner="alice")).status == "expired"
    assert [row.run_id for row in (await listed(db, status="expired"))] == ["late"]
    assert [row.run_id for row in (await listed(db, status="pending"))] == ["early"]
    assert await db.count_approvals(owner="alice") == 1
    with pytest.raises(ConflictError, match="already 'expired'"):
        await db.resolve_approval("late:call", status="approved", resolved_by="admin", owner=ANYONE)
    assert await db.resolve_approval("early:call", status="approved", resolved_by="a", owner=ANYONE)


@pytest.mark.parametrize("status", [RunStatus.CANCELLED, RunStatus.ERROR, RunStatus.COMPLETED])
async def test_one_whose_run_has_ended_is_cancelled(db, status):
    run = a_run("chat", run_id="run")
    await accepted(db, run)
    soon = int(time()) + 1000
    await db.create_approvals([an_approval(), an_approval(call="soon", expires_at=soon)], owner="alice")
    await finished(db, run, status=status)
    for found in await db.approvals_of(["run"], owner="alice"):
        assert (found.status, found.run_status) == ("cancelled", status)
        with pytest.raises(ConflictError, match="already 'cancelled'"):
            await db.resolve_approval(found.id, status="approved", resolved_by="admin", owner=ANYONE)


async def test_what_came_first_stays_so(db, database):
    run = a_run("chat", run_id="run")
    await accepted(db, run)
    now = int(time())
    wanted = {"first": now - 50, "then": now + 50, "never": None}
    await db.create_approvals(
        [an_approval(call=call, expires_at=moment) for call, moment in wanted.items()], owner="alice"
    )
    await finished(db, run, status=RunStatus.CANCELLED)
    with administering(database) as connection:  # a minute goes by
        connection.execute("UPDATE ai.agentos_approvals SET expires_at = expires_at - 60")
        connection.execute("UPDATE ai.agentos_runs SET updated_at = updated_at - interval '1 minute'")
    found = {row.tool_call_id: row.status for row in await db.approvals_of(["run"], owner="alice")}
    assert found == {"first": "expired", "then": "cancelled", "never": "cancelled"}


async def test_what_reading_shows_is_written_down(db, database):
    await asked(db, "late", expires_at=1)
    await asked(db, "open")
    decided = await asked(db, "decided")
    await db.resolve_approval(decided.id, status="approved", resolved_by="admin", owner=ANYONE)
    run = a_run("chat", run_id="over")
    await accepted(db, run)
    await db.create_approvals([an_approval("over")], owner="alice")
    await finished(db, run, status=RunStatus.CANCELLED)
    assert await db.expire_approvals() == 2
    assert await db.expire_approvals() == 0
    with administering(database) as connection:
        rows = connection.execute("SELECT run_id, status FROM ai.agentos_approvals ORDER BY 1").fetchall()
    assert rows == [("decided", "approved"), ("late", "expired"), ("open", "pending"), ("over", "cancelled")]


async def test_approvals_go_with_their_run(db):
    await asked(db, "gone")
    await asked(db, "kept")
    await db.delete_sessions(["gone-chat"], owner="alice")
    assert [row.run_id for row in await listed(db)] == ["kept"]


async def listed(db, owner=ANYONE, **asked):
    page = await db.list_approvals(ApprovalQuery(**asked), owner=owner)
    assert page.total == len(page.rows)
    return page.rows


LISTINGS = [
    ("alice", {}, {"one", "two"}),
    ("bob", {}, {"three"}),
    ("carol", {}, set()),
    (ANYONE, {}, {"one", "two", "three"}),
    (ANYONE, {"user_id": "bob"}, {"three"}),
    ("alice", {"user_id": "bob"}, set()),
    (ANYONE, {"run_id": "two"}, {"two"}),
    (ANYONE, {"runnable_id": "web", "kind": "agent"}, {"one", "two", "three"}),
    (ANYONE, {"runnable_id": "news"}, set()),
    (ANYONE, {"kind": "team"}, set()),
    (ANYONE, {"approval_type": "audit"}, {"two"}),
    (ANYONE, {"pause_type": "confirmation"}, {"one"}),
    (ANYONE, {"status": "approved"}, {"three"}),
    (ANYONE, {"status": "pending"}, {"one", "two"}),
    (ANYONE, {"user_id": "a\0b"}, set()),
]


async def test_approvals_are_listed_by_owner_and_filter(db):
    await asked(db, "one", pause_type="confirmation")
    await asked(db, "two", approval_type="audit")
    await asked(db, "three", user_id="bob")
    await db.resolve_approval("three:call", status="approved", resolved_by="admin", owner=ANYONE)
    for owner, wanted, runs in LISTINGS:
        assert {row.run_id for row in await listed(db, owner, **wanted)} == runs, (owner, wanted)
    assert await db.count_approvals(owner=ANYONE, user_id="alice") == 2
    assert await db.count_approvals(owner=ANYONE, user_id="bob") == 0
    page = await db.list_approvals(ApprovalQuery(limit=2, page=2), owner=ANYONE)
    assert (len(page.rows), page.total) == (1, 3)


async def test_a_call_that_forgets_the_owner_still_finds_no_approval_of_anothers(db, database):
    await asked(db)
    unguarded = Unguarded(database, pool_size=1)
    decision = {"status": "approved", "resolved_by": "bob"}
    for owner, sees in [("bob", False), ("alice", True)]:
        assert (await unguarded.get_approval("run:call", owner=owner) is not None) == sees
        assert (await unguarded.list_approvals(ApprovalQuery(), owner=owner)).total == sees
        assert (await unguarded.resolve_approval("run:call", **decision, owner=owner) is not None) == sees
        assert await unguarded.delete_approval("run:call", owner=owner) == sees
    await unguarded.close()
