"""Whatever the map, the token and the request: `explain` tells what the running app answers."""

import asyncio
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware, TrailingSlash
from tests.os.apps import agent
from tests.os.auth.guarded_app import client
from tests.os.auth.loaded_app import ADMIN, explained, knock, users_app
from tests.os.tokens.signer import SECRET, token

SERVED = AgentOS(agents=[agent(), agent(called="finance")], base_app=users_app()).get_app()
PATHS = [
    *("/agents", "/agents/web", "/agents/finance", "/agents/web/runs", "/agents/web/runs/r1"),
    *("/agents/web/runs/r1/events", "/sessions", "/sessions/s1", "/sessions/s1/runs", "/memories"),
    *("/config", "/health", "/mine", "/forgotten", "/shop/items", "/shop/items/one", "/live/room"),
    *("/sub/shallow", "/sub/deep/a/b", "/static/x/y", "/classic", "/nowhere", "/"),
]
PARTS = sorted({part for path in PATHS for part in path.split("/") if part} | {"*", "{id}"})
KEYS = st.one_of(
    st.builds("{} {}".format, st.sampled_from(["GET", "POST", "*"]), st.sampled_from(PATHS)),
    st.builds(
        lambda method, parts: f"{method} /{'/'.join(parts)}",
        st.sampled_from(["GET", "POST", "DELETE", "*"]),
        st.lists(st.sampled_from(PARTS), max_size=4),
    ),
)
SCOPES = st.sampled_from(
    [
        *(
            "agents:read",
            "agents:run",
            "agents:web:read",
            "agents:web:run",
            "agents:*:run",
            "agents:finance:read",
        ),
        *("sessions:read", "sessions:write", "memories:read", "config:read", "app:read", "app:run", ADMIN),
    ]
)
REQUESTS = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PATCH", "OPTIONS"]),
    st.sampled_from(PATHS),
    st.sampled_from(["", "/"]),
)


def shape(key: str) -> tuple[str, ...]:
    """What two keys for the same requests have in common."""
    method, path = key.split(" ")
    *parts, last = path.split("/")
    return (method, *("*" if part == "{id}" else part for part in parts), last)


MAPS = st.lists(KEYS, max_size=6, unique_by=shape).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.lists(SCOPES, max_size=3) for key in keys})
)
PUBLIC = st.lists(st.sampled_from(["/mine", "/agents/*", "/sub/*", "/sessions"]), max_size=2)
OPTIONS = st.fixed_dictionaries(
    {"unmapped": st.sampled_from(["deny", "deny", "allow"]), "user_isolation": st.booleans()},
    optional={"excluded_route_paths": PUBLIC},
)


def guarded(scope_map, options) -> FastAPI:
    """The served routes behind a map, quickly made."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, routes=SERVED.routes)
    app.state = SERVED.state
    app.add_middleware(TrailingSlash)
    app.add_middleware(
        JWTMiddleware,
        verification_keys=[SECRET],
        algorithm="HS256",
        scope_mappings=scope_map,
        admin_scope=ADMIN,
        **options,
    )
    return app


async def ask(app: FastAPI, request: tuple[str, str, str], scopes: frozenset[str]) -> SimpleNamespace:
    """What `explain` says and what happens."""
    method, path, slash = request
    path = path if path == "/" else path + slash
    async with client(app, raise_app_exceptions=False) as http:
        told = await explained(http, method, path, " ".join(scopes))
    kind = "websocket" if path.startswith("/live") and method == "GET" else "http"
    answer = await knock(app, kind, method, path, token(*scopes))
    is_served = told["route"] is not None
    return SimpleNamespace(told=told, passed=answer not in {401, 403}, is_served=is_served, answer=answer)


@settings(max_examples=150)
@given(MAPS, OPTIONS, st.frozensets(SCOPES, max_size=4), REQUESTS)
def test_explain_tells_the_answer(scope_map, options, held, request_):
    asked = asyncio.run(ask(guarded(scope_map, options), request_, held))
    if asked.is_served:
        assert asked.passed is asked.told["allowed"]
    else:
        assert asked.answer in {200, 404, 405}


@settings(max_examples=150)
@given(MAPS, OPTIONS, st.frozensets(SCOPES, max_size=2), REQUESTS)
def test_exactly_what_is_missing_turns_the_denial_into_a_grant(scope_map, options, held, request_):
    app = guarded(scope_map, options)
    first = asyncio.run(ask(app, request_, held))
    missing = first.told["missing"]
    if not (first.is_served and missing):
        return
    assert not first.passed
    assert asyncio.run(ask(app, request_, held | set(missing))).passed
    for one in missing:
        rest = held | set(missing) - {one}
        assert asyncio.run(ask(app, request_, rest)).passed is (ADMIN in rest)


@pytest.mark.parametrize("seen", ["allowed", "denied"])
def test_the_requests_are_of_both_kinds(seen):
    app = guarded({"GET /mine": ["app:read"]}, {})
    scopes = frozenset({"app:read"} if seen == "allowed" else ())
    asked = asyncio.run(ask(app, ("GET", "/mine", ""), scopes))
    assert asked.passed is asked.told["allowed"] is (seen == "allowed")
