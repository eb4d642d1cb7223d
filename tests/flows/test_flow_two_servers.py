"""Two server processes on one database: what one does about access holds in the other."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from agentos.db.contracts.audit import AuditQuery
from agentos.db.postgres import PostgresDb
from agentos.os.audit.chain import verify
from agentos.os.tokens.issue import mint
from tests.conftest import a_database, administering
from tests.flows.processes import free_port, script

SECRET = "a secret that both servers share, long enough for HS256"
PROGRAM = Path(__file__).parent / "programs" / "guarded.py"
WRITES = 30


def bearer(sub: str, *scopes: str) -> dict[str, str]:
    token = mint(sub, key=SECRET, algorithm="HS256", scopes=scopes, audience="guarded")
    return {"Authorization": f"Bearer {token}"}


ROOT = bearer("root", "agent_os:admin")


@pytest.fixture
def flow_database(server_url, template) -> Iterator[str]:
    with a_database(server_url, template) as url:
        yield url


@pytest.fixture
def servers(flow_database) -> Iterator[list[str]]:
    """The addresses of two; both have stopped, and written all they had to, once `stack` is closed."""
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(
                script(PROGRAM, port=port, DATABASE_URL=flow_database, JWT_VERIFICATION_KEY=SECRET)
            )
        yield [f"http://127.0.0.1:{port}" for port in ports]


async def test_a_revocation_in_one_process_holds_at_once_in_both(servers):
    async with httpx.AsyncClient(base_url=servers[0]) as one, httpx.AsyncClient(base_url=servers[1]) as two:
        for number in range(5):
            body = {"name": f"ci-{number}", "scopes": ["config:read"]}
            made = (await one.post("/service-accounts", json=body, headers=ROOT)).json()
            machine = {"Authorization": f"Bearer {made['token']}"}
            before = [(await each.get("/config", headers=machine)).status_code for each in (one, two)]
            path = f"/service-accounts/{made['id']}"
            assert (await two.delete(path, headers=ROOT)).status_code == 204
            after = [(await each.get("/config", headers=machine)).status_code for each in (one, two)]
            assert (before, after) == ([200, 200], [401, 401])


async def test_what_two_processes_record_at_once_is_one_chain(flow_database):
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(
                script(PROGRAM, port=port, DATABASE_URL=flow_database, JWT_VERIFICATION_KEY=SECRET)
            )
        async with httpx.AsyncClient() as client:
            alice, bob = bearer("alice", "sessions:write"), bearer("bob", "sessions:read")
            answers = await asyncio.gather(
                *(
                    client.post(f"http://127.0.0.1:{port}/sessions", json={}, headers=headers)
                    for _ in range(WRITES)
                    for port in ports
                    for headers in (alice, bob)
                )
            )
    assert sorted(answer.status_code for answer in answers) == [201] * 2 * WRITES + [403] * 2 * WRITES
    db = PostgresDb(flow_database, pool_size=1)
    verdict = await verify(db)
    assert (verdict.head.seq, verdict.bad_seq) == (4 * WRITES, None)
    for principal, decision in (("alice", "allowed"), ("bob", "denied")):
        page = await db.list_audit(AuditQuery(principal=principal, decision=decision))
        assert page.total == 2 * WRITES
    with administering(flow_database) as connection:
        connection.execute("DELETE FROM ai.agentos_audit WHERE seq = 60")
    assert (await verify(db)).bad_seq == 60
    await db.close()
