"""The lint finds each mistake, and nothing where there is none."""

import logging
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from agentos.cli.demo_app import ADMIN_SCOPE, SCOPES
from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.auth.guard import Guard
from agentos.os.auth_settings import AuthSettings
from agentos.os.http.lookup import every
from agentos.os.policy.lint import lint, looks_like
from tests.os.apps import agent
from tests.os.auth.guarded_app import guarded
from tests.os.auth.loaded_app import MAP, users_app

OURS = every(AgentOS(agents=[agent()]).get_app())


def found(scope_map, routes=OURS, **options) -> list[tuple[str, str]]:
    guard = Guard(AuthSettings(scope_mappings=scope_map, **options))
    return [(finding.code, finding.subject) for finding in lint(guard.policy, routes)]


@pytest.mark.parametrize(
    ("scope_map", "options", "finding"),
    [
        ({"GET /agent": ["a:b"]}, {}, ("no_such_route", "GET /agent")),
        ({"PUT /agents": ["a:b"]}, {}, ("no_such_route", "PUT /agents")),
        ({"GET /agents/*/runs/*/events/*": ["a:b"]}, {}, ("no_such_route", "GET /agents/*/runs/*/events/*")),
        ({}, {"excluded_route_paths": ["/helth"]}, ("no_such_route", "/helth")),
        ({"GET /agents": ["a:b"], "* /agents": ["a:b"]}, {}, ("never_decides", "* /agents")),
        (
            {"GET /memories/*": ["a:b"], "GET /memories/{memory_id}": ["a:b"]},
            {},
            ("never_decides", "GET /memories/*"),
        ),
        ({"GET /agents/*": ["app:read"]}, {}, ("run_apart", "GET /agents/*")),
        ({"GET /sessions": ["sessions:raed"]}, {}, ("misspelling", "sessions:raed")),
        ({"GET /sessions": ["session:read"]}, {}, ("misspelling", "session:read")),
        ({"GET /sessions": ["my:admim"]}, {"admin_scope": "my:admin"}, ("misspelling", "my:admim")),
        ({"GET /config": ["my:admin", "a:b"]}, {"admin_scope": "my:admin"}, ("admin_scope", "GET /config")),
        ({"GET /config": ["agent_os:admin"]}, {"admin_scope": "my:admin"}, ("admin_scope", "GET /config")),
    ],
)
def test_each_mistake_is_found_alone(scope_map, options, finding):
    assert found(scope_map, **options) == [finding]


@pytest.mark.parametrize(
    "scope_map",
    [
        {},
        {"GET /agents": ["agents:read"]},
        {"get /agents/": ["a:b"]},
        {"* /memories": ["a:b"], "GET /memories": ["a:c"]},
        {"POST /agents/*/runs": ["app:run"]},
        {"GET /agents/*": ["app:run"], "POST /agents/*/runs": ["app:run", "app:execute"]},
        {"GET /agents/*": ["app:read"], "GET /agents/*/runs/*": ["app:watch"]},
        {"GET /agents/*": []},
        {"GET /sessions": ["app:reads"], "POST /sessions": ["app:reads"], "GET /memories": ["app:one"]},
        {"GET /*": []},
        {"GET /config": ["my:admin"]},
    ],
)
def test_where_there_is_no_mistake_nothing_is_found(scope_map):
    assert found(scope_map, admin_scope="my:admin") == []


def test_the_demos_map_is_as_clean_as_it_asks_others_to_be():
    assert found(SCOPES, admin_scope=ADMIN_SCOPE) == []


def test_a_route_of_ones_own_wants_an_entry():
    app = AgentOS(agents=[agent()], base_app=users_app()).get_app()
    routes = every(app)
    missing = {subject for code, subject in found(MAP, routes) if code == "unmapped_route"}
    assert missing == {
        "GET /forgotten",
        *(f"{method} /static/*" for method in ("POST", "PUT", "PATCH", "DELETE", "QUERY")),
    }
    assert not [code for code, _ in found(MAP, routes, unmapped="allow") if code == "unmapped_route"]
    assert [subject for code, subject in found(MAP, routes) if code == "no_such_route"] == ["GET /late"]


def test_without_a_map_there_is_nothing_to_find():
    assert lint(Guard(AuthSettings()).policy, every(users_app())) == []


@pytest.mark.parametrize(
    ("scope", "other", "is_slip"),
    [
        ("app:raed", "app:read", True),
        ("app:rea", "app:read", True),
        ("app:reads", "app:read", True),
        ("app:rexd", "app:read", True),
        ("App:read", "app:read", True),
        ("user_data:x", "userdata:x", True),
        ("agent:run", "agents:run", True),
        ("app:read", "app:read", False),
        ("org:get", "org:set", False),
        ("app:v1beta", "app:v2beta", False),
        ("tier1:read", "tier2:read", False),
        ("agents:web:run", "agents:wed:run", False),
        ("agents:web:runn", "agents:web:run", True),
        ("agents:web:reads", "agents:web:read", True),
        ("agents:read", "agents:web:read", False),
        ("agent:raed", "agents:read", False),
        ("app:write", "app:read", False),
    ],
)
def test_a_slip_looks_like_what_was_meant(scope, other, is_slip):
    assert looks_like(scope, other) is is_slip
    assert looks_like(other, scope) is is_slip


def served(scope_map, **options) -> FastAPI:
    return guarded(AgentOS(agents=[agent()]).get_app(), scope_mappings=scope_map, **options)


async def test_findings_are_warnings_at_start(caplog):
    app = served({"GET /agent": ["a:b"]})
    with caplog.at_level(logging.WARNING, "agentos.auth"):
        async with app.router.lifespan_context(app):
            pass
    assert "Scope map: 'GET /agent' matches no route of the app" in caplog.text


async def test_strict_refuses_to_start_with_all_of_them():
    app = served({"GET /agent": ["a:b"], "GET /sessions": ["sessions:raed"]}, strict=True)
    with pytest.raises(ConfigurationError, match=r"'GET /agent' matches .* 'sessions:raed' looks like"):
        async with app.router.lifespan_context(app):
            pass


async def test_strict_starts_with_a_map_that_has_none(caplog):
    app = served({"GET /agents": ["a:b"]}, strict=True)
    async with app.router.lifespan_context(app):
        pass
    assert "Scope map" not in caplog.text


async def test_routes_that_the_apps_own_start_adds_count():
    @asynccontextmanager
    async def lifespan(app: FastAPI):
        app.get("/late")(lambda: "late")
        yield

    os = AgentOS(agents=[agent()], lifespan=lifespan)
    app = guarded(os.get_app(), scope_mappings={"GET /late": ["a:b"]}, strict=True)
    async with app.router.lifespan_context(app):
        pass
