"""Every error body has a sentence and a code, whichever route or layer answers."""

from __future__ import annotations

import re

import pytest

from agentos import errors
from agentos.db.postgres import PostgresDb
from agentos.errors import AgentOSError, ConfigurationError, FetchError, ModelError
from agentos.os import AgentOS
from agentos.os.http.lookup import every
from agentos.os.http.problems import STATUS
from tests.docs.readme import ROOT
from tests.flows.processes import free_port
from tests.os.apps import ADMIN, agent, bearer, secured, serving

ROUTES = [
    (method, re.sub(r"\{agent_id\}", "web", route.path))
    for route in every(AgentOS(agents=[agent()]).get_app())
    for method in route.methods
    if not route.path.startswith(("/docs", "/redoc", "/openapi"))
]
LIMIT = 100_000
ROOT_TOKEN = bearer("root", ADMIN)
JSON = {"content-type": "application/json"}
SENT = {
    "nothing": {},
    "no token": {"headers": {"authorization": ""}},
    "a forged token": {"headers": {"authorization": "Bearer e30.e30.e30"}},
    "a token for something else": {"headers": bearer("ann", "other:thing")},
    "a token of nobody": {"headers": bearer(None)},
    "a broken body": {"content": b"{", "headers": JSON},
    "bytes that aren't UTF-8": {"content": b'{"a": "\xff"}', "headers": JSON},
    "a body of another type": {"content": b"<a/>", "headers": {"content-type": "application/xml"}},
    "a wrong body": {"json": {"message": 5, "memory": 5, "session_ids": 5, "status": 5}},
    "a body that is too large": {"content": b"x" * (LIMIT + 1), "headers": JSON},
    "a wrong query": {"params": {"page": "x", "type": "x", "after": "x", "status": "x", "db_id": "x"}},
}


def app_of(name, database, **options):
    if name == "an absent database":
        database = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing"
    db = None if name == "no database" else PostgresDb(database, pool_timeout=0.2)
    app = AgentOS(agents=[agent()], db=db, max_body_bytes=LIMIT, audit=False, **options).get_app()
    return secured(app, failed_logins_per_minute=50)


async def answers(client):
    """Every route, asked in every way: the requests and what they were answered."""
    for method, path in ROUTES:
        concrete = re.sub(r"\{message_index\}", "0", path)
        concrete = re.sub(r"\{\w+\}", "one", concrete)
        for name, sent in SENT.items():
            asked = {**sent, "headers": {**ROOT_TOKEN, **sent.get("headers", {})}}
            yield f"{method} {concrete} with {name}", await client.request(method, concrete, **asked)
        yield f"TRACE {concrete}", await client.request("TRACE", concrete, headers=ROOT_TOKEN)
    yield "GET /nowhere", await client.get("/nowhere", headers=ROOT_TOKEN)


@pytest.mark.parametrize("world", ["no database", "a database", "an absent database"])
async def test_every_error_of_every_route_has_both(world, empty_database):
    seen = set()
    async with serving(app_of(world, empty_database)) as client:
        async for request, answer in answers(client):
            if answer.status_code < 400:
                continue
            body = answer.json()
            assert answer.headers["content-type"] == "application/json", request
            assert body["detail"], request
            assert re.fullmatch("[a-z_]+", body["code"]), request
            is_list = isinstance(body["detail"], list)
            assert is_list == (answer.status_code == 422) == (body["code"] == "invalid_input"), request
            seen.add(answer.status_code)
    assert seen >= {400, 401, 403, 404, 405, 413, 415, 422, 429}
    assert (503 in seen) == (world != "a database")
    assert 500 not in seen


async def test_a_route_of_ones_own_answers_as_it_likes():
    app = AgentOS(agents=[agent()]).get_app()

    @app.get("/mine/{number}")
    async def mine(number: int):
        return number

    async with serving(app) as client:
        assert (await client.get("/mine/x")).json().keys() == {"detail"}
        assert (await client.get("/mine/5")).json() == 5


def test_every_class_has_a_code_of_its_own_and_one_status():
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")]
    assert len({kind.code for kind in kinds}) == len(kinds)
    failures = {kind for kind in kinds if not set(kind.__mro__) & set(STATUS)}
    of_runs = {ModelError, FetchError, *FetchError.__subclasses__()}
    assert failures == {AgentOSError, ConfigurationError, *of_runs}


def test_nothing_of_ours_raises_another_frameworks_error():
    raised = re.compile(r"\bHTTPException\(|raise RequestValidationError")
    sources = {path: path.read_text() for path in (ROOT / "agentos").rglob("*.py")}
    assert [str(path) for path, text in sources.items() if raised.search(text)] == []
