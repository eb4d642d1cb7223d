"""Every operation, asked as the OpenAPI document says and otherwise, answers as the document says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.specs.openapi import checks

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from tests.conftest import a_database
from tests.os.apps import ADMIN, agent, bearer, listening, secured

EXAMPLES = 5
"""Invented requests for each operation, besides those that try its parameters one by one."""
CONFIG = {
    "seed": 1,
    "generation": {"deterministic": True, "max-examples": EXAMPLES, "with-security-parameters": False},
}
UNSAYABLE = {
    # Two lists must have the same length.
    "delete_sessions": [checks.positive_data_acceptance],
    # Forms carry lists as JSON text, which these tests don't read in `encoding`.
    "continue_agent_run": [checks.positive_data_acceptance],
    # There could be an approval with the id `count`, to be deleted.
    "get_approval_count": [checks.allow_header_conformance],
}
REFUSALS = 20
"""Requests of each operation that are also sent without a token and with a forged one."""
asked: Counter[str] = Counter()
FORGED = {"Authorization": "Bearer e30.e30.e30"}

operations = schemathesis.openapi.from_dict(
    secured(AgentOS(agents=[agent()]).get_app()).openapi(), config=schemathesis.Config.from_dict(CONFIG)
)


@contextmanager
def in_a_thread(app: FastAPI) -> Iterator[str]:
    """The address of a server beside the test, which has no loop."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    server = listening(app)
    try:
        port = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield f"http://127.0.0.1:{port}"
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def address(server_url, template) -> Iterator[str]:
    with a_database(server_url, template) as database:
        app = AgentOS(agents=[agent()], db=PostgresDb(database, pool_size=5)).get_app()
        with in_a_thread(secured(app)) as address:
            yield address


@operations.parametrize()
def test_answers_are_as_documented(case, address):
    operation = case.operation.definition.raw
    # That tokens are asked for is seen below, with two requests fewer.
    left_out = [checks.ignored_auth, *UNSAYABLE.get(operation["operationId"], [])]
    query, body = case.query or {}, case.body if isinstance(case.body, dict) else {}
    if "cursor" in query or any({"events", "stream_events"} <= given.keys() for given in (query, body)):
        # A cursor must be one that was given out, and come without a page; the others may contradict.
        left_out.append(checks.positive_data_acceptance)
    asked[operation["operationId"]] += 1
    # What isn't served is nobody's business who has no token: 401, not 405.
    for headers in (None, FORGED) if asked[operation["operationId"]] <= REFUSALS else ():
        refused = case.call_and_validate(
            address,
            headers=headers,
            excluded_checks=[checks.unsupported_method, *left_out],
        )
        if operation["security"] and case.method != "OPTIONS":
            assert refused.status_code in {401, 429}
    for headers in (bearer("alice"), bearer("root", ADMIN)):
        case.call_and_validate(address, headers=headers, excluded_checks=left_out)
