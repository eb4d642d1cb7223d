"""A database that an earlier release has written: it is upgraded, and everything in it goes on.

`dump.py` says how `releases/` is made. Of each live run it is stated what becomes of it.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agentos.db.contracts.audit import Link
from agentos.db.postgres import PostgresDb
from agentos.os.audit import chain
from agentos.run.records import RunStatus
from tests.cli.commands import agentos
from tests.conftest import a_database, administering
from tests.migrations.shop import SETS, Shop, answered, shop
from tests.migrations.test_migrations import catalog

RELEASES = sorted(Path(__file__).with_name("releases").glob("*.sql"))


@dataclass(frozen=True)
class Written:
    """A database as a release has left it."""

    release: str
    url: str

    def head(self, name: str) -> Link:
        """The last row of a set's audit."""
        audit = SETS[name].get("audit_table", "agentos_audit")
        with administering(self.url) as connection:
            rows = connection.execute(f'SELECT seq, hash FROM ai."{audit}" ORDER BY seq DESC LIMIT 1')
            return Link(*rows.fetchone())


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def written(request, empty_database) -> Written:
    with psycopg.connect(empty_database.replace("+psycopg", "")) as connection:
        connection.execute(request.param.read_text())
    return Written(request.param.stem, empty_database)


@pytest.mark.parametrize("name", SETS)
def test_a_dump_holds_runs_in_every_status(written, name):
    query = 'SELECT DISTINCT status FROM ai."{}"'.format(SETS[name].get("runs_table", "agentos_runs"))
    with administering(written.url) as connection:
        assert {status for (status,) in connection.execute(query)} == set(RunStatus)


async def test_upgraded_tables_are_those_of_a_new_database(written, server_url):
    with a_database(server_url, "template1") as new:
        for name, tables in SETS.items():
            upgrade(new, tables)
            upgrade(written.url, tables)
            await assert_untouched(written, name, since=written.head(name))
        assert tables_in(written.url) == tables_in(new)


@pytest.mark.parametrize(("name", "way"), [("default", "command"), ("custom", "start")])
def test_what_a_release_has_left_is_continued(written, name, way):
    head, tables = written.head(name), SETS[name]
    if way == "command":
        upgrade(written.url, tables)
    with shop(written.url, tables, release="now") as here:
        # A durable run continues: what its tool did under the earlier release isn't done again.
        assert endings(here, "durable") == [("COMPLETED", f"It says: {written.release} plain")]
        # One that isn't died with its process. What was queued behind it is executed as it was asked for.
        assert endings(here, "plain") == [("ERROR", "process_died"), ("COMPLETED", "It says: now warm")]
        paused_runs_continue(here)
        assert endings(here, "old")[1:] == [
            ("REGENERATED", "It says: hello"),
            ("COMPLETED", "It says: hello"),
        ]
        assert [status for status, _ in endings(here, "failed")] == ["ERROR"]
        assert here.run("hello again", session_id="old")["content"] == "It says: hello again"
        states_stay_known(here, written.release)
        sessions_are_shared_and_keyed(here)
        accounts_work(here)
    asyncio.run(assert_untouched(written, name, since=head))


def paused_runs_continue(shop: Shop) -> None:
    """One once its user has agreed, the other once an approver has, too."""
    (paying,), (refunding,) = runs(shop, "paying"), runs(shop, "refunding")
    assert shop.proceed(paying, tools=confirmed(paying))["content"] == "It says: paid 5"
    (asked,) = answered(shop.root.get("/approvals?status=pending"))["data"]
    answered(shop.root.post(f"/approvals/{asked['id']}/resolve", json={"status": "approved"}))
    assert shop.proceed(refunding, tools=confirmed(refunding))["content"] == "It says: refunded 7"


def states_stay_known(shop: Shop, release: str) -> None:
    """The states after runs of the release are those it has stored; later ones are known by what changed."""
    before = {"stamped": release}
    old = runs(shop, "old")
    assert {json.dumps(run["session_state"]) for run in old} == {json.dumps(before)}
    changed = shop.run("stamp", session_id="old")
    assert changed["session_state"] == {"stamped": "now"}
    assert [run["session_state"] for run in runs(shop, "old")] == [before] * len(old) + [{"stamped": "now"}]
    fork = "/agents/clerk/sessions/old/fork"
    for through, state in ((old[0], before), (old[-1], before), (changed, {"stamped": "now"})):
        forked = answered(shop.alice.post(fork, params={"run_id": through["run_id"]}))["session_id"]
        assert answered(shop.alice.get(f"/sessions/{forked}"))["session_state"] == state
    assert changed["run_id"] > max(run["run_id"] for run in old if not run["run_id"].startswith("r"))


def sessions_are_shared_and_keyed(shop: Shop) -> None:
    """Another agent joins an old session, somebody else may have its id, and media are kept apart."""
    document = {"content": b64encode(b"bytes").decode(), "mime_type": "text/plain"}
    joined = shop.run("hello", agent="durable-clerk", session_id="old", input_files=[document])
    assert joined["status"] == "COMPLETED"
    session = answered(shop.alice.get("/sessions/old"))
    assert [each["id"] for each in session["participants"]] == ["clerk", "durable-clerk"]
    key = joined["input"]["files"][0]["key"]
    assert shop.alice.get(f"/sessions/old/media/{key}").content == b"bytes"
    body = {"message": "hello", "session_id": "old", "user_id": "root", "stream": False}
    assert answered(shop.root.post("/agents/clerk/runs", json=body))["user_id"] == "root"
    assert shop.root.get("/sessions/old").json()["code"] == "ambiguous_session"
    assert len(answered(shop.root.get("/sessions/old/runs?user_id=root"))) == 1
    assert answered(shop.alice.get("/sessions/old"))["user_id"] == "alice"


def accounts_work(shop: Shop) -> None:
    """The revoked one stays revoked, the other one works, and their names are taken for good."""
    accounts = answered(shop.root.get("/service-accounts"))["data"]
    (live,) = [each for each in accounts if each["revoked_at"] is None]
    assert len(accounts) == 2
    assert shop.root.delete(f"/service-accounts/{live['id']}").status_code == 204
    for each in accounts:
        wanted = {"name": each["name"], "scopes": ["agents:run"]}
        assert shop.root.post("/service-accounts", json=wanted).status_code == 409
    wanted = {"name": "another", "scopes": ["agents:run"]}
    assert shop.root.post("/service-accounts", json=wanted).status_code == 201
    assert [each["memory"] for each in answered(shop.alice.get("/memories"))["data"]] == ["Likes tea"]


def runs(shop: Shop, session: str) -> list[dict[str, Any]]:
    return answered(shop.alice.get(f"/sessions/{session}/runs"))


def endings(shop: Shop, session: str) -> list[tuple[str, str]]:
    """How the runs of a session ended, once they have: status, and what was said or the error's code."""
    return [ended(shop, run) for run in runs(shop, session)]


def ended(shop: Shop, run: dict[str, Any]) -> tuple[str, str]:
    url = f"/agents/{run['agent_id']}/runs/{run['run_id']}"
    assert shop.alice.get(f"{url}/events").is_success  # to the last one
    run = answered(shop.alice.get(url))
    return run["status"], run.get("error_type") or run["content"]


def confirmed(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**tool, "confirmed": True} for tool in run["tools"]]


def upgrade(url: str, tables: dict[str, str]) -> None:
    options = [f"--table={parameter}={name}" for parameter, name in tables.items()]
    for command in ("upgrade", "status"):
        called = agentos("db", command, "--url", url, *options)
        assert called.status == 0, called


def tables_in(url: str) -> list[tuple[str, ...]]:
    """All about them, but for those that hold revisions."""
    return [row for row in catalog(url, "ai") if "_version" not in row[0]]


async def assert_untouched(written: Written, name: str, *, since: Link) -> None:
    """The audit's chain holds, and goes on where the release left it."""
    db = PostgresDb(written.url, **SETS[name], pool_size=1)
    verdict = await chain.verify(db, expected=since)
    await db.close()
    assert (verdict.bad_seq, verdict.problem) == (None, "")
