"""`programs/shop.py` as its callers see it: the two sets of tables, the users, one process at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import httpx
import jwt

from tests.flows.processes import PATIENCE, Process, environment, free_port, running, wait_until_listening
from tests.os.apps import ADMIN, USER_SCOPES

PROGRAM = Path(__file__).parent / "programs" / "shop.py"
KEY = "signs the tokens of a shop that only tests know"

SETS: dict[str, dict[str, str]] = {
    "default": {},
    "custom": {
        "session_table": "shop sessions",
        "runs_table": "shop runs",
        "event_table": "shop events",
        "memory_table": "shop memories",
        "service_account_table": "shop accounts",
        "audit_table": "shop audit",
        "executor_table": "shop executors",
        "approval_table": "shop approvals",
        "state_change_table": "shop state changes",
        "media_table": "shop media",
    },
}
"""The names of the tables, which share a schema; what isn't named has its default."""


@dataclass(frozen=True)
class Shop:
    """A process that serves one set of tables, and its callers."""

    process: Process
    alice: httpx.Client
    root: httpx.Client
    """Whoever may do anything."""

    def run(self, message: str, **fields: Any) -> dict[str, Any]:
        """A run of alice's: as it ended, or, in the background, as it was accepted."""
        agent = fields.pop("agent", "clerk")
        body = {"message": message, "session_id": "chat", "stream": False, **fields}
        return answered(self.alice.post(f"/agents/{agent}/runs", json=body))

    def proceed(self, run: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """What becomes of a run that is continued."""
        url = f"/agents/{run['agent_id']}/runs/{run['run_id']}/continue"
        return answered(self.alice.post(url, json={"stream": False, **fields}))


def answered(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


@contextmanager
def shop(database: str, tables: dict[str, str], *, release: str, python: str = sys.executable, **env: str):
    """Serves until left, unless it has been killed."""
    port = free_port()
    env = {
        "AGENT_OS_PORT": str(port),
        "DATABASE_URL": database,
        "TABLES": json.dumps(tables),
        "RELEASE": release,
        "SHOP_KEY": KEY,
        **env,
    }
    with running([python, PROGRAM.name], cwd=PROGRAM.parent, env=environment(**env)) as process:
        wait_until_listening(port)
        with client(port, "alice", *USER_SCOPES) as alice, client(port, "root", ADMIN) as root:
            yield Shop(process, alice, root)


@contextmanager
def client(port: int, user: str, *scopes: str) -> Iterator[httpx.Client]:
    claims = {"sub": user, "scopes": list(scopes), "exp": int(time()) + 3600}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, KEY, 'HS256')}"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE, trust_env=False
    ) as caller:
        yield caller
