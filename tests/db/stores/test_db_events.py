import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.run.owner import ANYONE
from tests.db.made import UNSTORABLE, a_run, accepted

LOG = [LoggedEvent(seq, f"Event{seq}", f'{{"z":"é\\u0000 {seq}","a":1.0}}') for seq in range(1, 6)]


async def test_the_log_comes_back_byte_for_byte_and_in_order(db):
    run = a_run()
    await accepted(db, run)
    await db.append_events({run.run_id: LOG[3:]}, owner="alice")
    await db.append_events({run.run_id: LOG[:3]}, owner="alice")
    assert await db.read_events(run.run_id, after=0, owner="alice") == LOG
    assert await db.read_events(run.run_id, after=2, owner="alice") == LOG[2:]
    assert await db.read_events(run.run_id, after=1, owner="alice", limit=2) == LOG[1:3]
    assert await db.read_events(run.run_id, after=5, owner="alice") == []
    assert [await db.last_seq(run.run_id, owner=who) for who in ("alice", "bob", ANYONE)] == [5, 0, 5]


async def test_any_number_is_fine_to_read_after(db):
    run = a_run()
    await accepted(db, run)
    await db.append_events({run.run_id: LOG}, owner="alice")
    assert await db.read_events(run.run_id, after=-(10**30), owner="alice", limit=10**30) == LOG
    assert await db.read_events(run.run_id, after=10**30, owner="alice") == []


async def test_a_batch_may_be_sent_again(db):
    run = a_run()
    await accepted(db, run)
    await db.append_events({run.run_id: LOG[:3]}, owner="alice")
    other = [LoggedEvent(3, "Other", "{}"), LOG[3]]
    await db.append_events({run.run_id: other}, owner="alice")
    assert await db.read_events(run.run_id, after=0, owner="alice") == LOG[:4]


async def test_a_batch_of_nothing_adds_nothing(db):
    run = a_run()
    await accepted(db, run)
    await db.append_events({run.run_id: []}, owner="alice")
    assert await db.read_events(run.run_id, after=0, owner="alice") == []


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_log_is_read_and_written_by_the_runs_owner_only(db, owner, may):
    run = a_run()
    await accepted(db, run)
    await db.append_events({run.run_id: LOG[:1]}, owner="alice")
    assert len(await db.read_events(run.run_id, after=0, owner=owner)) == may
    taken = await db.append_events({run.run_id: LOG[1:2]}, owner=owner)
    assert taken == ({run.run_id} if may else set())
    assert len(await db.read_events(run.run_id, after=0, owner="alice")) == 1 + may


async def test_the_log_of_no_run_is_empty_and_not_written(db):
    for absent in ("never", *UNSTORABLE.values()):
        assert await db.read_events(absent, after=0, owner=ANYONE) == []
        assert await db.append_events({absent: LOG}, owner=ANYONE) == set()


async def test_text_that_cannot_be_stored_is_mended(db):
    run = a_run()
    await accepted(db, run)
    await db.append_events({run.run_id: [LoggedEvent(1, "a\0", '"\ud800"')]}, owner="alice")
    assert await db.read_events(run.run_id, after=0, owner="alice") == [LoggedEvent(1, "a\ufffd", '"\ufffd"')]


async def test_news_of_many_runs_are_what_each_has_after_a_place_of_its_own(db):
    runs = [a_run(), a_run(), a_run("his", user_id="bob")]
    for run in runs:
        await accepted(db, run)
    batches = {run.run_id: LOG for run in runs}
    assert await db.append_events(batches, owner=ANYONE) == set(batches)
    first, second, his = batches
    asked = {first: 0, second: 3, his: 0} | dict.fromkeys(UNSTORABLE.values(), 0)
    assert await db.read_news({first: 10**30, second: -(10**30)}, owner="alice") == {first: [], second: LOG}
    nothing = {run_id: [] for run_id in asked}
    assert await db.read_news(asked, owner="alice") == nothing | {first: LOG, second: LOG[3:]}
    assert await db.read_news(asked, owner="bob") == nothing | {his: LOG}
    assert await db.read_news({}, owner=ANYONE) == {}


async def test_news_come_in_portions(db):
    run = a_run()
    await accepted(db, run)
    log = [LoggedEvent(seq, "e", "{}") for seq in range(1, 1502)]
    await db.append_events({run.run_id: log}, owner="alice")
    assert await db.read_news({run.run_id: 0}, owner="alice") == {run.run_id: log[:1000]}
    assert await db.read_news({run.run_id: 1000}, owner="alice") == {run.run_id: log[1000:]}
