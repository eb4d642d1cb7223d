"""The chain finds whatever was done to the rows, and Postgres lets the server's role do nothing to them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from agentos.db.contracts.audit import AuditQuery, AuditRecord, Link
from agentos.db.postgres import PostgresDb
from agentos.errors import ConflictError
from agentos.os.audit import chain
from agentos.os.audit.chain import BEGINNING, chained, hash_of, prune, verify
from tests.conftest import administering

TABLE = "ai.agentos_audit"
NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


def record(number: int = 0, **changes) -> AuditRecord:
    values = {
        "decision": "denied",
        "reason": "missing_scope",
        "status": 403,
        "method": "POST",
        "route": "/agents/{agent_id}/runs",
        "resource_id": "wéb",
        "principal": "alice",
        "token_ref": "abc",
        "request_id": f"r{number}",
    }
    return AuditRecord(time=NOON + timedelta(seconds=number), **(values | changes))


async def filled(db: PostgresDb, count: int = 5) -> Link:
    entries = chained(await db.audit_head(), [record(number) for number in range(count)])
    await db.append_audit(entries)
    return await db.audit_head()


def tamper(database: str, *statements: str) -> None:
    with administering(database) as connection:
        for statement in statements:
            connection.execute(statement)


async def test_rows_come_back_as_they_were_chained(db):
    assert await db.audit_head() == BEGINNING
    assert (await verify(db)).head == BEGINNING
    head = await filled(db)
    assert head.seq == 5
    read = await db.read_audit(after=0, limit=10)
    assert [entry.record for entry in read] == [record(number) for number in range(5)]
    assert (await verify(db)) == replace(await verify(db), head=head, bad_seq=None)
    assert (await verify(db, expected=Link(3, read[2].hash))).bad_seq is None


def test_every_field_is_part_of_the_hash():
    plain = record()
    changes = {
        "time": plain.time + timedelta(microseconds=1),
        "decision": "allowed",
        "reason": "granted",
        "status": 200,
        "method": "PUT",
        "route": "/x",
        "resource_id": "x",
        "principal": "bob",
        "token_ref": "x",
        "request_id": "x",
    }
    hashes = {hash_of("a", 1, replace(plain, **{name: value})) for name, value in changes.items()}
    hashes |= {hash_of("a", 1, plain), hash_of("b", 1, plain), hash_of("a", 2, plain)}
    assert len(hashes) == len(changes) + 3


@pytest.mark.parametrize(
    ("statements", "bad_seq"),
    [
        ([f"UPDATE {TABLE} SET principal = 'bob' WHERE seq = 3"], 3),
        ([f"UPDATE {TABLE} SET principal = NULL WHERE seq = 3"], 3),
        ([f"UPDATE {TABLE} SET time = time + interval '1 microsecond' WHERE seq = 1"], 1),
        ([f"DELETE FROM {TABLE} WHERE seq = 3"], 3),
        ([f"DELETE FROM {TABLE} WHERE seq = 1"], 1),
        ([f"DELETE FROM {TABLE} WHERE seq = 3", f"UPDATE {TABLE} SET seq = seq - 1 WHERE seq > 3"], 3),
        (
            [
                f"UPDATE {TABLE} SET seq = 100 WHERE seq = 2",
                f"UPDATE {TABLE} SET seq = 2 WHERE seq = 3",
                f"UPDATE {TABLE} SET seq = 3 WHERE seq = 100",
            ],
            2,
        ),
    ],
    ids=["edited", "emptied", "another time", "deleted", "first gone", "closed up", "swapped"],
)
async def test_what_was_done_to_a_row_is_found_there(db, database, statements, bad_seq):
    await filled(db)
    if bad_seq is not None:
        tamper(database, *statements)
    assert (await verify(db)).bad_seq == bad_seq


async def test_a_cut_end_shows_to_who_noted_the_head(db, database):
    head = await filled(db)
    tamper(database, f"DELETE FROM {TABLE} WHERE seq > 3")
    assert (await verify(db)).bad_seq is None
    assert (await verify(db, expected=head)).bad_seq == 4


async def test_a_chain_made_anew_shows_to_who_noted_the_head(db, database):
    head = await filled(db)
    tamper(database, f"DELETE FROM {TABLE}")
    await db.append_audit(chained(BEGINNING, [record(number, principal="bob") for number in range(5)]))
    assert (await verify(db)).bad_seq is None
    assert (await verify(db, expected=head)).bad_seq == 5


async def test_of_two_that_follow_the_same_row_one_is_refused_whole(db):
    ours = chained(BEGINNING, [record(1), record(2), record(3)])
    theirs = chained(BEGINNING, [record(4)])
    await db.append_audit(theirs)
    with pytest.raises(ConflictError):
        await db.append_audit(ours)
    assert await db.read_audit(after=0, limit=10) == theirs


async def test_many_that_append_at_once_make_one_chain(db):
    async def append(number: int) -> None:
        while True:
            try:
                return await db.append_audit(chained(await db.audit_head(), [record(number)]))
            except ConflictError:
                continue

    await asyncio.gather(*(append(number) for number in range(20)))
    verdict = await verify(db)
    assert (verdict.head.seq, verdict.bad_seq) == (20, None)


@pytest.mark.parametrize("statement", ["UPDATE {} SET principal = 'bob'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_servers_role_may_only_add(db, statement):
    await filled(db)
    with pytest.raises(ProgrammingError) as caught:
        await db._engine.execute(text(statement.format(TABLE)))
    assert isinstance(caught.value.orig, InsufficientPrivilege)
    assert (await filled(db)).seq == 10


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (AuditQuery(), [5, 4, 3, 2, 1, 0]),
        (AuditQuery(principal="bob"), [5]),
        (AuditQuery(decision="allowed"), [5]),
        (AuditQuery(request_id="r2"), [2]),
        (AuditQuery(method="POST", route="/agents/{agent_id}/runs", resource_id="wéb", limit=1), [5]),
        (AuditQuery(since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=4)), [3, 2]),
        (AuditQuery(limit=2, page=2), [3, 2]),
        (AuditQuery(principal="no\0body"), []),
    ],
)
async def test_lists_are_narrowed_the_latest_first(db, query, numbers):
    head = await filled(db)
    await db.append_audit(chained(head, [record(5, principal="bob", decision="allowed")]))
    page = await db.list_audit(query)
    assert [int(entry.record.request_id[1:]) for entry in page.rows] == numbers


DAY = timedelta(days=1)
"""All rows of these tests are older."""


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"older_than": DAY}, 3),
        ({"older_than": timedelta(days=36_500)}, 20),
        ({"keep": 20}, 20),
        ({"keep": 5}, 5),
        ({"keep": 1}, 1),
        ({"older_than": timedelta(days=36_500), "keep": 5}, 5),
    ],
)
async def test_what_retention_leaves_can_be_verified(db, monkeypatch, limits, left):
    monkeypatch.setattr("agentos.db.stores.audit.BATCH", 7)
    head = await filled(db, 20)
    await prune(db, **limits)
    rows = await db.read_audit(after=0, limit=100)
    assert len(rows) == left
    verdict = await verify(db, expected=head if left >= 5 else None)
    assert (verdict.bad_seq, verdict.start.seq) == (None, rows[0].seq - 1)
    assert await prune(db, **limits) == 0
    later = await filled(db, 2)
    assert (await verify(db, expected=later)).bad_seq is None


async def cut(db: PostgresDb) -> list[int]:
    """The audit after two deletions, with rows behind them: the positions that are left."""
    await filled(db, 10)
    await prune(db, keep=6)
    await filled(db, 4)
    await prune(db, keep=6)
    rows = await db.read_audit(after=0, limit=100)
    assert [row.record.decision for row in rows].count("pruned") == 2
    return [row.seq for row in rows]


@pytest.mark.parametrize(
    ("statements", "bad"),
    [
        ([], None),
        (["DELETE FROM {} WHERE seq = {first}"], "first"),
        (["DELETE FROM {} WHERE seq < {last}"], "first"),
        (["UPDATE {} SET principal = 'bob' WHERE seq = {first}"], "first"),
        (["DELETE FROM {} WHERE seq = {last}"], "one"),
        (["DELETE FROM {} WHERE decision = 'pruned'"], "one"),
        (["UPDATE {} SET resource_id = NULL WHERE seq = {last}"], "any"),
        (
            [
                "UPDATE {} SET resource_id = (SELECT seq || ':' || hash FROM {} WHERE seq = {first})"
                " WHERE seq = {last}",
                "DELETE FROM {} WHERE seq = {first}",
            ],
            "last",
        ),
    ],
    ids=[
        "nothing",
        "first gone",
        "more gone",
        "edited",
        "mark gone",
        "marks gone",
        "mark emptied",
        "mark moved",
    ],
)
async def test_what_is_done_after_retention_is_found(db, database, statements, bad):
    first, *_, last = await cut(db)
    tamper(database, *(each.replace("{}", TABLE).format(first=first, last=last) for each in statements))
    found = (await verify(db)).bad_seq
    if bad in {"first", "last", None}:
        assert found == {"first": first, "last": last, None: None}[bad]
    else:
        assert found is not None


async def test_an_expected_row_before_the_cut_is_compared_with_the_mark(db):
    await filled(db, 10)
    await prune(db, keep=4)
    start = (await verify(db)).start
    assert (await verify(db, expected=start)).bad_seq is None
    assert (await verify(db, expected=Link(start.seq, "0" * 64))).bad_seq == start.seq


async def test_servers_that_prune_and_append_at_once_keep_one_chain(db):
    await filled(db, 30)

    async def append(number: int) -> None:
        await chain.append(db, [record(number)])

    await asyncio.gather(*(prune(db, keep=10) for _ in range(3)), *(append(number) for number in range(10)))
    await prune(db, keep=10)
    assert (await verify(db)).bad_seq is None
    assert len(await db.read_audit(after=0, limit=100)) == 10
