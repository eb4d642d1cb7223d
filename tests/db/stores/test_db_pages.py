"""Lists in pages: walking them by cursors, how far they are counted, and what no cursor may say or do."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from agentos.db.contracts.approvals import Approval, ApprovalQuery
from agentos.db.contracts.audit import AuditEntry, AuditQuery, AuditRecord
from agentos.db.contracts.memories import MemoryQuery
from agentos.db.contracts.pages import MAX_CURSOR
from agentos.db.contracts.service_accounts import AccountQuery, ServiceAccount
from agentos.db.contracts.sessions import SessionQuery
from agentos.errors import InvalidInputError
from agentos.run.owner import ANYONE
from tests.conftest import administering
from tests.db.made import NOON, a_memory, a_run, a_session, accepted


async def walked(turn, limit) -> list:
    """All rows of a list, page by page; `turn` is given `limit` and `cursor`."""
    page = await turn(limit=limit)
    rows, total = list(page.rows), page.total
    while page.next_cursor is not None:
        assert len(page.rows) == limit
        page = await turn(limit=limit, cursor=page.next_cursor)
        assert page.rows
        assert page.total == total
        rows += page.rows
    return rows


def sessions(db, owner=ANYONE, **asked):
    return lambda **paging: db.list_sessions(SessionQuery(**asked, **paging), owner=owner)


def memories(db, **asked):
    return lambda **paging: db.list_memories(MemoryQuery(**asked, **paging), owner=ANYONE)


def accounts(db, **asked):
    return lambda **paging: db.list_service_accounts(AccountQuery(**asked, **paging))


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["", "a", "A", "é", "a" * 99, "a" * 150, "a" * 151])),
    max_size=9,
)
QUIET = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(rows=ROWS, limit=st.integers(1, 4), descending=st.booleans())
async def test_cursors_walk_over_each_row_once_and_in_order(db, rows, limit, descending):
    with administering(db.url) as admin:
        admin.execute("TRUNCATE ai.agentos_sessions CASCADE; TRUNCATE ai.agentos_memories")
    for number, (minutes, text) in enumerate(rows):
        user = "alice" if number % 2 else None
        # Every second id is another user's too.
        session = a_session(f"s{number // 2}", user_id=user, minutes=minutes, session_name=text or None)
        await db.create_session(session, owner=ANYONE)
        await db.create_memory(a_memory(f"m{number}", minutes=minutes, memory=text), owner=ANYONE)
    for turn, sorts in ((sessions, ("created_at", "updated_at", "session_name")), (memories, ("memory",))):
        for sort_by in sorts:
            listing = turn(db, sort_by=sort_by, descending=descending)
            whole = await listing(limit=100)
            assert await walked(listing, limit) == whole.rows
            assert (len(whole.rows), whole.total, whole.next_cursor) == (len(rows), len(rows), None)
            if sort_by in ("created_at", "updated_at"):
                times = [getattr(row, sort_by) for row in whole.rows]
                assert times == sorted(times, reverse=descending)


@pytest.mark.parametrize("descending", [True, False])
async def test_rows_that_come_and_go_move_no_other(db, descending):
    for number in range(6):
        await db.create_session(a_session(f"s{number}", minutes=number // 2), owner="alice")
    listing = sessions(db, "alice", descending=descending)
    ids = [row.session_id for row in (await listing(limit=100)).rows]
    first = await listing(limit=3)
    await db.create_session(a_session("older", minutes=-1), owner="alice")
    await db.create_session(a_session("newer", minutes=9), owner="alice")
    await db.delete_sessions(ids[1:3], owner="alice")  # the row of the cursor too
    rest = await walked(lambda **asked: listing(**{"cursor": first.next_cursor, **asked}), 2)
    assert [row.session_id for row in rest] == [*ids[3:], "older" if descending else "newer"]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort_by", ["created_at", "name", "expires_at", "last_used_at"])
async def test_accounts_without_a_time_come_before_all_others(db, sort_by, descending):
    for number in range(5):
        expires = None if number < 2 else NOON + timedelta(days=number // 2)
        account = ServiceAccount(
            id=f"a{number}",
            name=f"n{number}",
            token_prefix="p",
            scopes=("a:b",),
            created_at=NOON,
            expires_at=expires,
        )
        await db.create_service_account(account, token_hash=f"{number}")
    await db.touch_service_accounts(["a1", "a3"])
    listing = accounts(db, sort_by=sort_by, descending=descending)
    whole = (await listing(limit=100)).rows
    assert await walked(listing, 2) == whole
    keys = [getattr(row, sort_by) or datetime.min.replace(tzinfo=UTC) for row in whole]
    assert keys == sorted(keys, reverse=descending)


async def test_users_approvals_and_the_audit_are_walked_too(db):
    for number in range(5):
        user = f"u{number}"
        await db.create_memory(a_memory(user_id=user, minutes=number // 2), owner=user)
        run = a_run(f"chat{number}", run_id=f"r{number}")
        await accepted(db, run)
        approval = Approval(
            id=f"a{number}",
            run_id=run.run_id,
            session_id=run.session_id,
            kind="agent",
            runnable_id="web",
            user_id="alice",
            status="pending",
            approval_type="required",
            tool_call_id="call",
        )
        await db.create_approvals([approval], owner="alice")
        record = AuditRecord(time=NOON, decision="denied", reason="no_rule")
        await db.append_audit([AuditEntry(number + 1, record, f"{number}")])
    stats = await walked(lambda **paging: db.memory_stats(owner=ANYONE, **paging), 2)
    assert [row.user_id for row in stats] == ["u4", "u3", "u2", "u1", "u0"]
    listed = await walked(lambda **paging: db.list_approvals(ApprovalQuery(**paging), owner="alice"), 2)
    assert {row.id for row in listed} == {f"a{number}" for number in range(5)}
    assert listed == (await db.list_approvals(ApprovalQuery(), owner="alice")).rows
    rows = await walked(lambda **paging: db.list_audit(AuditQuery(**paging)), 2)
    assert [row.seq for row in rows] == [5, 4, 3, 2, 1]


async def test_a_list_is_counted_to_10_000_and_goes_on(db, database):
    with administering(database) as admin:
        add = """
            INSERT INTO ai.agentos_memories (memory_id, memory, user_id)
            SELECT 'm' || n, 'x', 'alice' FROM generate_series(%s::int, %s::int) AS n
        """
        admin.execute(add, (1, 10_000))
        exact = await db.list_memories(MemoryQuery(limit=1), owner="alice")
        assert exact.total == 10_000
        admin.execute(add, (10_001, 10_001))
    beyond = await db.list_memories(MemoryQuery(limit=1), owner="alice")
    assert (beyond.total, beyond.next_cursor is None) == (None, False)
    last = await db.list_memories(MemoryQuery(limit=1, page=10_001), owner="alice")
    assert (len(last.rows), last.total, last.next_cursor) == (1, None, None)
    past = await db.list_memories(MemoryQuery(limit=1, page=10_002), owner="alice")
    assert (past.rows, past.total, past.next_cursor) == ([], None, None)


def encoded(value) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


NAME = "sessions created_at desc"
TIME = "2026-01-01T12:00:00+00:00"
UNREADABLE = {
    "nothing": "",
    "no Base64": "%%%",
    "not ASCII": "é",
    "one character": "A",
    "not UTF-8": "____",
    "no JSON": encoded("["),
    "deep JSON": encoded("[" * 3000),
    "an object": encoded({"a": 1}),
    "a number": encoded(1),
    "no values": encoded([]),
    "too few": encoded([NAME, TIME]),
    "too many": encoded([NAME, TIME, "s", "alice", "x"]),
    "no time": encoded([NAME, "now", "s", "alice"]),
    "a number for a time": encoded([NAME, 1, "s", "alice"]),
    "a number for an id": encoded([NAME, TIME, 1, "alice"]),
    "null": encoded([NAME, TIME, None, "alice"]),
    "NUL": encoded([NAME, TIME, "a\0", "alice"]),
    "half a character": encoded([NAME, TIME, "a\ud800", "alice"]),
    "too long": encoded([NAME, TIME, "x" * MAX_CURSOR, "alice"]),
    "of another list": encoded(["memories created_at desc", TIME, "m"]),
    "of another key": encoded(["sessions updated_at desc", TIME, "s", "alice"]),
    "of the other direction": encoded(["sessions created_at asc", TIME, "s", "alice"]),
    "a page too": None,
}


@pytest.mark.parametrize("cursor", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_no_cursor_of_the_list_is_refused(db, cursor):
    query = SessionQuery(cursor=cursor) if cursor is not None else SessionQuery(cursor="x", page=2)
    with pytest.raises(InvalidInputError, match="cursor") as refusal:
        await db.list_sessions(query, owner="alice")
    assert refusal.value.field == "cursor"


@pytest.mark.parametrize("seq", [2**63, -(2**63) - 1, True, 1.0, "1"])
async def test_no_number_is_too_large_for_the_database(db, seq):
    with pytest.raises(InvalidInputError, match="cursor"):
        await db.list_audit(AuditQuery(cursor=encoded(["audit seq desc", seq])))
    assert (await db.list_audit(AuditQuery(cursor=encoded(["audit seq desc", 2**63 - 1])))).rows == []


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01"])
async def test_any_time_is_a_place(db, time):
    await db.create_session(a_session(), owner="alice")
    page = await db.list_sessions(SessionQuery(cursor=encoded([NAME, time, "s", "a"])), owner="alice")
    assert (len(page.rows), page.total) == (time.startswith("9"), 1)


async def test_a_cursor_of_anothers_shows_only_ones_own(db):
    for number in range(4):
        await db.create_session(a_session(f"b{number}", user_id="bob", minutes=number), owner="bob")
        await db.create_session(a_session(f"a{number}", minutes=number), owner="alice")
    bobs = await db.list_sessions(SessionQuery(limit=2), owner="bob")
    page = await db.list_sessions(SessionQuery(cursor=bobs.next_cursor), owner="alice")
    assert [row.session_id for row in page.rows] == ["a2", "a1", "a0"]
    assert page.total == 4


async def test_a_cursor_does_not_tell_whether_another_has_the_same_id(db):
    await db.create_session(a_session("chat", user_id="bob"), owner="bob")
    for session_id in ("chat", "last"):
        await db.create_session(a_session(session_id), owner="alice")
    page = await db.list_sessions(SessionQuery(limit=1, descending=False), owner="alice")
    said = json.loads(urlsafe_b64decode(page.next_cursor + "==="))
    assert said == ["sessions created_at asc", NOON.isoformat(), "chat", "alice"]


async def test_the_longest_cursor_is_taken(db):
    for number in "\2\3":
        longest = "\1" * 254 + number
        session = a_session(longest, user_id="\1" * 255, session_name="\1" * 500)
        await db.create_session(session, owner=ANYONE)
    listing = sessions(db, sort_by="session_name")
    cursor = (await listing(limit=1)).next_cursor
    assert len(cursor) <= MAX_CURSOR
    assert len((await listing(limit=1, cursor=cursor)).rows) == 1


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    ("owner", "sort_by", "index"),
    [
        ("u1", "created_at", "agentos_sessions_user_created"),
        ("u1", "updated_at", "agentos_sessions_user_updated"),
        (ANYONE, "created_at", "agentos_sessions_created"),
    ],
)
async def test_a_cursor_begins_in_an_index(db, database, owner, sort_by, index, descending):
    with administering(database) as admin:
        admin.execute("""
            INSERT INTO ai.agentos_sessions (session_id, kind, user_id, created_at, updated_at)
            SELECT 's' || n, 'agent', 'u' || n % 50, time, time
            FROM generate_series(1, 20000) AS n,
            LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 minute') AS t (time)
            ORDER BY md5(n::text)
        """)
        admin.execute("ANALYZE ai.agentos_sessions")
    place = [f"sessions {sort_by} {'desc' if descending else 'asc'}", "2026-01-07T00:00:00Z", "s", "u1"]
    seen = []

    def note(connection, cursor, statement, parameters, *rest):
        if "sort_key_0" in statement:
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        asked = SessionQuery(sort_by=sort_by, descending=descending, cursor=encoded(place))
        assert len((await db.list_sessions(asked, owner=owner)).rows) == 20
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    ((statement, parameters),) = seen
    with administering(database) as admin, admin.transaction():
        admin.execute("SET LOCAL ROLE agentos_app")
        setting = ("agentos.anyone", "on") if owner is ANYONE else ("agentos.owner", owner)
        admin.execute("SELECT set_config(%s, %s, true)", setting)
        ((((plan,),),),) = [
            admin.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).fetchall()
        ]
    # The count of the rows is a plan of its own.
    nodes = [node for node in parts(plan["Plan"]) if "Relation Name" in node]
    (scan,) = nodes
    assert scan["Index Name"] == index
    assert f"{sort_by} {'<=' if descending else '>='}" in scan["Index Cond"]
    assert scan["Actual Rows"] < 30
    assert "Sort" not in {node["Node Type"] for node in parts(plan["Plan"])}


def parts(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        if inner["Parent Relationship"] != "InitPlan":
            yield from parts(inner)
