"""What the audit holds after requests: denials and allowed writes, and nothing else."""

import logging
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from agentos.db.contracts.audit import AuditQuery, AuditRecord
from agentos.db.postgres import PostgresDb
from agentos.errors import ConfigurationError, DatabaseUnavailableError
from agentos.os import AgentOS, AuditConfig
from agentos.os.audit.anonymous import MAX_ADDRESSES, AnonymousDenials
from agentos.os.audit.chain import verify
from agentos.os.audit.log import AuditLog
from agentos.os.middleware import JWTMiddleware
from tests.os.apps import ADMIN, SECRET, agent, bearer, secured, serving

ROOT = bearer("root", ADMIN)
RUN = {"message": "hi", "stream": "false"}


@asynccontextmanager
async def audited(db, app=None):
    """A client; after it the rows, oldest first, as what they say in short."""
    rows: list[AuditRecord] = []
    async with serving(app or secured(AgentOS(agents=[agent()], db=db).get_app())) as caller:
        yield caller, rows
    reader = PostgresDb(db._engine._url.render_as_string(hide_password=False), pool_size=1)
    assert (await verify(reader)).bad_seq is None
    found = await reader.read_audit(after=0, limit=1000)
    await reader.close()
    rows += [entry.record for entry in found]


def told(rows: list[AuditRecord]) -> list[tuple]:
    return [
        (row.decision, row.reason, row.status, f"{row.method} {row.route}", row.resource_id, row.principal)
        for row in rows
    ]


async def test_every_denial_and_every_allowed_write_is_a_row(db):
    async with audited(db) as (caller, rows):
        alice = bearer("alice", "agents:run", "sessions:delete", jti="token-1")
        await caller.get("/sessions")
        await caller.get("/sessions", headers={"Authorization": "Bearer nonsense"})
        await caller.get("/sessions/s1", headers=alice)
        assert (await caller.post("/agents/web/runs", data=RUN, headers=alice)).status_code == 200
        await caller.delete("/sessions/s1", headers=alice)
        await caller.post("/sessions", json={"session_id": "s2"}, headers=ROOT)
    assert told(rows) == [
        ("denied", "missing_token", 401, "GET /sessions", None, None),
        ("denied", "invalid_token", 401, "GET /sessions", None, None),
        ("denied", "missing_scope", 403, "GET /sessions/{session_id}", "s1", "alice"),
        ("allowed", "granted", 200, "POST /agents/{agent_id}/runs", "web", "alice"),
        ("allowed", "granted", 204, "DELETE /sessions/{session_id}", "s1", "alice"),
        ("allowed", "admin", 201, "POST /sessions", None, "root"),
    ]
    assert [row.token_ref for row in rows[2:5]] == ["token-1"] * 3
    assert rows[1].token_ref is not None
    assert all(abs((datetime.now(UTC) - row.time).total_seconds()) < 60 for row in rows)


async def test_reads_and_what_isnt_served_are_no_rows(db):
    async with audited(db) as (caller, rows):
        for path in ("/health", "/config", "/sessions", "/nowhere", "/sessions/none"):
            await caller.get(path, headers=ROOT)
        await caller.put("/sessions", headers=bearer("alice"))
        await caller.options("/sessions", headers=ROOT)
    assert told(rows) == []


async def test_a_refusal_behind_the_gate_is_a_denial(db):
    async with audited(db) as (caller, rows):
        alice = bearer("alice", "service_accounts:write", "agents:run")
        body = {"name": "ci", "scopes": ["sessions:read"]}
        assert (await caller.post("/service-accounts", json=body, headers=alice)).status_code == 403
        explained = await caller.get("/authz/explain?method=GET&path=/config&scopes=a:b", headers=alice)
        assert explained.status_code == 403
        body["scopes"] = ["agents:run"]
        assert (await caller.post("/service-accounts", json=body, headers=alice)).status_code == 201
    assert told(rows) == [
        ("denied", "missing_scope", 403, "POST /service-accounts", None, "alice"),
        ("denied", "missing_scope", 403, "GET /authz/explain", None, "alice"),
        ("allowed", "granted", 201, "POST /service-accounts", None, "alice"),
    ]


async def test_a_write_that_came_to_nothing_shows_its_status(db):
    async with audited(db) as (caller, rows):
        missing = await caller.patch("/sessions/bobs", json={"session_name": "x"}, headers=bearer("alice"))
        assert missing.status_code == 404
        await caller.post("/memories", content=b"{", headers=bearer("alice"))
    assert [row.status for row in rows] == [404, 422]


async def test_a_crash_is_recorded_without_an_answer(db):
    app = AgentOS(agents=[agent()], db=db).get_app()

    @app.post("/crash")
    async def crash():
        raise RuntimeError

    secured(app, scope_mappings={"POST /crash": []})
    async with audited(db, app) as (caller, rows):
        assert (await caller.post("/crash", headers=bearer("alice"))).status_code == 500
    assert told(rows) == [("allowed", "any_token", None, "POST /crash", None, "alice")]


async def test_two_gates_leave_one_row_of_the_one_that_judged(db):
    app = secured(AgentOS(agents=[agent()], db=db).get_app())
    app.add_middleware(JWTMiddleware, verification_keys=[SECRET], algorithm="HS256")
    async with audited(db, app) as (caller, rows):
        await caller.post("/sessions", json={}, headers=bearer("alice"))
        await caller.post("/sessions", json={}, headers=bearer("alice", "agents:run"))
    assert [(row.decision, row.reason) for row in rows] == [
        ("allowed", "granted"),
        ("denied", "missing_scope"),
    ]


async def test_odd_requests_are_recorded_as_they_can_be(db):
    async with audited(db) as (caller, rows):
        await caller.get("/sessions/" + "x" * 500)
        await caller.get("/sessions/%00")
        await caller.request("B" * 300, "/sessions")
    assert [row.decision for row in rows] == ["denied"] * 3
    assert len(rows[0].resource_id) == len(rows[2].method) == 255


async def test_admins_list_it_and_nobody_else(db):
    async with serving(secured(AgentOS(agents=[agent()], db=db).get_app())) as caller:
        await caller.post("/sessions", json={}, headers=bearer("alice"))
    async with serving(secured(AgentOS(agents=[agent()], db=db).get_app())) as caller:
        assert (await caller.get("/audit", headers=bearer("alice", "audit:read"))).status_code == 403
        assert (await caller.get("/audit")).status_code == 401
        found = (await caller.get("/audit?principal=alice&decision=allowed", headers=ROOT)).json()
        nothing = (await caller.get("/audit?principal=bob", headers=ROOT)).json()
        assert (await caller.get("/audit?decision=maybe", headers=ROOT)).status_code == 422
    assert found["meta"]["total_count"] == 1
    assert found["data"][0]["route"] == "/sessions"
    assert len(found["data"][0]["hash"]) == 64
    assert nothing["data"] == []


async def test_it_can_be_turned_off(db):
    async with audited(db, secured(AgentOS(agents=[agent()], db=db, audit=False).get_app())) as (
        caller,
        rows,
    ):
        assert (await caller.post("/sessions", json={}, headers=bearer("alice"))).status_code == 201
    assert rows == []


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("ab-1.2:3_4", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("é", False), ("", False)],
)
async def test_a_sane_request_id_is_kept_and_any_other_replaced(db, sent, is_kept):
    headers = {"X-Request-ID": sent.encode()}
    async with audited(db) as (caller, rows):
        answers = [
            await caller.get("/health", headers=headers),
            await caller.get("/sessions", headers=headers),
            await caller.post("/sessions", json={}, headers=bearer("alice") | headers),
        ]
    ids = [answer.headers.get_list("x-request-id") for answer in answers]
    assert all(len(each) == 1 for each in ids)
    assert all((each == [sent]) is is_kept for each in ids)
    assert [row.request_id for row in rows] == [ids[1][0], ids[2][0]]


async def test_a_server_without_authentication_numbers_requests_too():
    async with serving(AgentOS(agents=[agent()]).get_app()) as caller:
        assert (await caller.get("/health", headers={"X-Request-ID": "mine"})).headers[
            "x-request-id"
        ] == "mine"
        assert (await caller.get("/audit")).status_code == 503


def record(number: int) -> AuditRecord:
    return AuditRecord(time=datetime.now(UTC), decision="denied", reason=str(number))


async def test_what_there_was_no_room_for_leaves_a_gap_where_it_belongs(db, caplog):
    log = AuditLog(bound=3)
    with caplog.at_level(logging.ERROR):
        for number in range(7):
            log.add(record(number))
    assert "Dropping audit records" in caplog.text
    async with log.written(db):
        pass
    log.add(record(7))
    async with log.written(db):
        pass
    found = [entry.record for entry in await db.read_audit(after=0, limit=10)]
    assert [each.reason for each in found] == ["0", "1", "2", "4 records lost", "7"]
    assert found[3].decision == "gap"
    assert (await verify(db)).bad_seq is None


async def test_many_records_are_written_in_order(db):
    log = AuditLog()
    async with log.written(db):
        for number in range(1234):
            log.add(record(number))
    page = await db.list_audit(AuditQuery(limit=1))
    assert (page.total, page.rows[0].record.reason) == (1234, "1233")
    assert (await verify(db)).bad_seq is None


class Deaf(PostgresDb):
    """A database whose first answer to a write gets lost; before that it does the write, or doesn't."""

    def __init__(self, url: str, *, does_it: bool) -> None:
        super().__init__(url, pool_size=2)
        self.does_it = does_it
        self.is_deaf = True

    async def append_audit(self, entries):
        if self.is_deaf:
            self.is_deaf = False
            if self.does_it:
                await super().append_audit(entries)
            raise DatabaseUnavailableError
        await super().append_audit(entries)


@pytest.mark.parametrize("does_it", [True, False])
async def test_a_write_whose_answer_got_lost_is_done_once(database, does_it):
    db, log = Deaf(database, does_it=does_it), AuditLog()
    log.add(record(1))
    log.add(record(2))
    async with log.written(db):
        pass
    assert [entry.record.reason for entry in await db.read_audit(after=0, limit=10)] == ["1", "2"]
    await db.close()


async def test_a_database_that_stays_away_is_said_loudly_at_the_end(caplog):
    db, log = PostgresDb("postgresql://ai:ai@127.0.0.1:1/ai"), AuditLog()
    log.add(record(1))
    with caplog.at_level(logging.ERROR, logger="agentos.audit"):
        async with log.written(db):
            pass
    assert "Lost 1 audit records" in caplog.text
    await db.close()


async def test_requests_without_a_token_are_sampled_and_counted(db):
    app = secured(AgentOS(agents=[agent()], db=db, audit=AuditConfig(anonymous_rows=2)).get_app())
    async with audited(db, app) as (caller, rows):
        for _ in range(10):
            assert (await caller.get("/sessions")).status_code == 401
        for number in range(3):
            await caller.get("/sessions", headers={"Authorization": f"Bearer nonsense{number}"})
            await caller.get("/sessions", headers=bearer("alice", "agents:run"))
    denied = [row for row in rows if row.decision == "denied"]
    assert [row.principal for row in denied] == [None, None, "alice", "alice", "alice"]
    (counted,) = [row for row in rows if row.decision == "counted"]
    assert (counted.reason, counted.resource_id) == ("11 more denials", "127.0.0.1")


def test_each_minute_and_address_has_its_own_rows():
    now = [0.0]
    denials = AnonymousDenials(2, lambda: now[0])

    def rows(address: str, times: int) -> int:
        return sum(len(denials.sampled(record(0), address)) for _ in range(times))

    assert (rows("a", 5), rows("b", 1), denials.seconds) == (2, 1, 60)
    now[0] = 59
    assert (rows("b", 2), denials.counted()) == (1, [])
    now[0] = 60
    found = {each.resource_id: each.reason for each in denials.counted()}
    assert found == {"a": "3 more denials", "b": "1 more denials"}
    assert (denials.counted(is_last=True), denials.seconds, rows("a", 3)) == ([], None, 2)
    assert [each.resource_id for each in denials.counted(is_last=True)] == ["a"]


def test_addresses_beyond_a_limit_share_their_rows():
    denials = AnonymousDenials(1, lambda: 0.0)
    rows = sum(len(denials.sampled(record(0), str(number))) for number in range(5 * MAX_ADDRESSES))
    (rest,) = denials.counted(is_last=True)
    assert (rows, rest.resource_id, rest.reason) == (
        MAX_ADDRESSES + 1,
        "others",
        f"{4 * MAX_ADDRESSES - 1} more denials",
    )


def test_a_number_of_rows_that_cant_be_is_refused():
    with pytest.raises(ConfigurationError, match="anonymous_rows=-1"):
        AuditConfig(anonymous_rows=-1)
