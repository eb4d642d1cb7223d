import asyncio
from datetime import timedelta

import psycopg
import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.db.contracts.sessions import SessionChange, SessionQuery
from agentos.db.postgres import PostgresDb
from agentos.errors import AmbiguousSessionError, ConflictError, InvalidInputError
from agentos.run.messages import Metrics
from agentos.run.owner import ANYONE
from tests.conftest import administering
from tests.db.made import NOON, UNSTORABLE, a_finished_run, a_session


async def test_a_session_comes_back_as_it_was_stored(db):
    session = a_session(
        session_name="Trip",
        title="Where to?",
        session_state={"b": None, "a": [1, {"x": 1.5}]},
        metadata={"k": "v"},
        summary={"s": "…"},
        metrics=Metrics(input_tokens=3),
    )
    assert await db.create_session(session, owner="alice") == session
    assert await db.get_session(session.session_id, owner="alice") == session


@pytest.mark.parametrize(("owner", "sees"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_session_is_seen_changed_and_deleted_by_its_owner_only(db, owner, sees):
    await db.create_session(a_session("hers"), owner="alice")
    found = await db.get_session("hers", owner=owner)
    listed = await db.list_sessions(SessionQuery(), owner=owner)
    changed = await db.update_session("hers", SessionChange(session_name="Mine"), owner=owner)
    deleted = await db.delete_sessions(["hers"], owner=owner)
    assert (found is not None, listed.total, changed is not None, deleted) == (sees, sees, sees, sees)
    left = await db.get_session("hers", owner=ANYONE)
    assert (left is None) == sees
    if left is not None:
        assert left.session_name is None


async def test_a_session_of_nobody_is_for_anyone_only(db):
    await db.create_session(a_session("stray", user_id=None), owner=ANYONE)
    assert await db.get_session("stray", owner="alice") is None
    assert await db.get_session("stray", owner=ANYONE) is not None


@pytest.mark.parametrize(("owner", "may"), [("bob", False), ("alice", True), (ANYONE, True)])
async def test_a_session_is_made_for_oneself_only(db, owner, may):
    if may:
        assert (await db.create_session(a_session("hers"), owner=owner)).user_id == "alice"
        return
    with pytest.raises(InvalidInputError) as refusal:
        await db.create_session(a_session("hers"), owner=owner)
    assert refusal.value.field == "user_id"
    assert await db.get_session("hers", owner=ANYONE) is None


async def test_an_id_is_taken_by_its_owner_only(db):
    for user in ("alice", "bob", None):
        await db.create_session(a_session("taken", user_id=user, title=f"{user}'s"), owner=user or ANYONE)
    for user in ("alice", "bob", None):
        with pytest.raises(ConflictError):
            await db.create_session(a_session("taken", user_id=user), owner=user or ANYONE)
    for user in ("alice", "bob"):
        session = await db.get_session("taken", owner=user)
        assert (session.session_id, session.title) == ("taken", f"{user}'s")
    assert await db.get_session("taken", owner="carol") is None


async def test_of_several_sessions_with_an_id_the_one_without_an_owner_needs_no_name(db):
    for user in ("alice", None, "bob"):
        await db.create_session(a_session("ops", user_id=user), owner=user or ANYONE)
        await a_finished_run(db, "ops", user_id=user, owner=user or ANYONE)
    assert (await db.get_session("ops", owner=ANYONE)).user_id is None
    assert [run.user_id for run in await db.list_runs("ops", owner=ANYONE)] == [None]
    changed = await db.update_session("ops", SessionChange(session_name="x"), owner=ANYONE)
    assert changed.user_id is None
    assert (await db.fork_session("ops", new_session_id="fork", owner=ANYONE)).user_id is None
    assert await db.delete_sessions(["ops", "fork"], owner=ANYONE) == 2
    assert (await db.list_sessions(SessionQuery(session_id="ops"), owner=ANYONE)).total == 2


async def test_an_old_id_that_looks_like_a_key_of_ours_is_still_found(db, database):
    await db.create_session(a_session("old"), owner="alice")
    with administering(database) as connection:
        connection.execute("UPDATE ai.agentos_sessions SET session_id = '~old'")
    for owner in ("alice", ANYONE):
        assert (await db.get_session("~old", owner=owner)).session_id == "~old"
    await a_finished_run(db, "~old")
    assert (await db.list_sessions(SessionQuery(), owner="alice")).total == 1
    assert await db.delete_sessions(["~old"], owner="alice") == 1


async def test_an_id_that_several_owners_have_is_ambiguous_for_anyone(db):
    for user in ("alice", "bob"):
        await db.create_session(a_session("chat", user_id=user), owner=user)
        await a_finished_run(db, "chat", user_id=user)
    await db.create_session(a_session("other"), owner="alice")
    change = SessionChange(session_name="x", session_state={"x": 1})
    for call in (
        db.get_session("chat", owner=ANYONE),
        db.update_session("chat", change, owner=ANYONE),
        db.delete_sessions(["other", "chat"], owner=ANYONE),
        db.fork_session("chat", new_session_id="new", owner=ANYONE),
        anext(db.export_session("chat", owner=ANYONE)),
    ):
        with pytest.raises(AmbiguousSessionError, match="user_id="):
            await call
    assert (await db.list_sessions(SessionQuery(session_id="chat"), owner=ANYONE)).total == 2
    assert (await db.update_session("chat", change, owner="bob")).session_state == {"x": 1}
    assert (await db.fork_session("chat", new_session_id="new", owner="bob")).user_id == "bob"
    assert await db.delete_sessions(["chat", "other"], owner="bob") == 1
    alices = await db.get_session("chat", owner=ANYONE)
    assert (alices.user_id, alices.session_state) == ("alice", {})
    assert await db.delete_sessions(["other", "chat"], owner=ANYONE) == 2


async def five_sessions(db):
    rows = [
        a_session("one", minutes=1, session_name="Paris 100%"),
        a_session("two", minutes=2, title="paris", runnable_id="news"),
        a_session("three", minutes=3, kind="team", session_name="a_b"),
        a_session("four", minutes=4, user_id="bob", session_name="PARIS again"),
        a_session("five", minutes=5, user_id=None),
    ]
    for row in rows:
        await db.create_session(row, owner=ANYONE)


LISTINGS = [
    ("alice", {}, ["three", "two", "one"]),
    ("bob", {}, ["four"]),
    ("carol", {}, []),
    (ANYONE, {}, ["five", "four", "three", "two", "one"]),
    (ANYONE, {"user_id": "bob"}, ["four"]),
    ("alice", {"user_id": "bob"}, []),
    ("alice", {"user_id": "alice"}, ["three", "two", "one"]),
    ("alice", {"kind": "team"}, ["three"]),
    ("alice", {"runnable_id": "news"}, ["two"]),
    (ANYONE, {"session_name": "paris"}, ["four", "one"]),
    ("alice", {"session_name": "%"}, ["one"]),
    ("alice", {"session_name": "_"}, ["three"]),
    ("alice", {"session_name": "\\"}, []),
    (ANYONE, {"descending": False}, ["one", "two", "three", "four", "five"]),
    ("alice", {"sort_by": "session_name", "descending": False}, ["three", "two", "one"]),
    (ANYONE, {"sort_by": "updated_at", "limit": 2, "page": 2}, ["three", "two"]),
]


async def test_sessions_are_listed_by_owner_and_filter(db):
    await five_sessions(db)
    for owner, asked, ids in LISTINGS:
        page = await db.list_sessions(SessionQuery(**asked), owner=owner)
        assert [session.session_id for session in page.rows] == ids, (owner, asked)
        assert page.total == (5 if "limit" in asked else len(ids)), (owner, asked)


async def test_no_session_matches_what_cannot_be_stored(db):
    await five_sessions(db)
    for text in UNSTORABLE.values():
        for asked in ({"runnable_id": text}, {"user_id": text}, {"session_name": text}):
            assert (await db.list_sessions(SessionQuery(**asked), owner=ANYONE)).rows == []
        assert (await db.list_sessions(SessionQuery(), owner=text)).rows == []


async def test_a_page_past_the_end_is_empty_and_counts(db):
    await five_sessions(db)
    for page, limit in [(2, 3), (10**9, 20), (10**30, 10**30), (2, 10**30)]:
        found = await db.list_sessions(SessionQuery(page=page, limit=limit), owner="alice")
        assert (found.rows, found.total) == ([], 3)


async def test_a_page_that_makes_no_sense_is_refused_by_name(db):
    for asked in ({"page": 0}, {"page": -1}, {"limit": 0}):
        with pytest.raises(InvalidInputError) as refusal:
            await db.list_sessions(SessionQuery(**asked), owner="alice")
        assert refusal.value.field in asked


async def test_a_list_never_reads_runs(db, database):
    await a_finished_run(db)
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("DROP TABLE ai.agentos_runs CASCADE")
    for query in (SessionQuery(), SessionQuery(page=9), SessionQuery(sort_by="session_name")):
        assert (await db.list_sessions(query, owner="alice")).total == 1


async def test_a_change_sets_what_is_given_and_leaves_the_rest(db):
    await db.create_session(a_session("s", session_name="Old", session_state={"a": 1}), owner="alice")
    changed = await db.update_session("s", SessionChange(session_state={"b": 2}), owner="alice")
    assert (changed.session_name, changed.session_state) == ("Old", {"b": 2})
    assert changed.updated_at > NOON
    again = await db.update_session("s", SessionChange(metadata={"m": 1}, summary={"s": 2}), owner="alice")
    assert (again.session_state, again.metadata, again.summary) == ({"b": 2}, {"m": 1}, {"s": 2})


async def test_a_change_of_nothing_changes_nothing(db):
    stored = await db.create_session(a_session("s"), owner="alice")
    assert await db.update_session("s", SessionChange(), owner="alice") == stored
    assert await db.update_session("other", SessionChange(), owner="alice") is None


async def test_deleting_takes_runs_and_events_along(db):
    run = await a_finished_run(db, "gone")
    kept = await a_finished_run(db, "kept")
    await db.append_events({run.run_id: [LoggedEvent(1, "RunStarted", "{}")]}, owner="alice")
    assert await db.delete_sessions(["gone", "never", "gone", *UNSTORABLE.values()], owner="alice") == 1
    assert await db.get_run(run.run_id, owner=ANYONE) is None
    assert await db.read_events(run.run_id, after=0, owner=ANYONE) == []
    assert await db.get_run(kept.run_id, owner="alice") is not None


async def test_an_id_that_cannot_be_stored_is_absent(db):
    for absent in UNSTORABLE.values():
        assert await db.get_session(absent, owner="alice") is None
        assert await db.get_session(absent, owner=ANYONE) is None
        assert await db.update_session(absent, SessionChange(session_name="x"), owner="alice") is None
        assert await db.delete_sessions([absent], owner="alice") == 0


async def test_an_id_that_cannot_be_stored_is_refused_by_name(db):
    for field in ("session_id", "runnable_id", "user_id"):
        for bad in (*UNSTORABLE.values(), ""):
            session = a_session("s").model_copy(update={field: bad})
            with pytest.raises(InvalidInputError) as refusal:
                await db.create_session(session, owner=ANYONE)
            assert refusal.value.field == field
            assert len(str(refusal.value)) < 200


async def test_content_that_cannot_be_stored_is_mended(db):
    bad = "a\0b\ud800c"
    session = a_session("s", session_name=bad, title=bad, session_state={bad: [bad]}, metadata={"m": bad})
    stored = await db.create_session(session, owner="alice")
    mended = "a\ufffdb\ufffdc"
    assert (stored.session_name, stored.title) == (mended, mended)
    assert (stored.session_state, stored.metadata) == ({mended: [mended]}, {"m": mended})


async def test_times_are_utc_whatever_the_servers_zone(db, database):
    naive = a_session("naive").model_copy(update={"created_at": NOON.replace(tzinfo=None)})
    await db.create_session(naive, owner="alice")
    there = PostgresDb(f"{database}?options=-c%20timezone%3DAsia/Tokyo")
    session = await there.get_session("naive", owner="alice")
    await there.close()
    assert session.created_at == NOON
    assert session.created_at.utcoffset() == timedelta(0)


async def test_one_database_serves_many_calls_at_once(db):
    sessions = [a_session(f"s{number}") for number in range(40)]
    await asyncio.gather(*(db.create_session(session, owner="alice") for session in sessions))
    assert (await db.list_sessions(SessionQuery(), owner="alice")).total == 40
