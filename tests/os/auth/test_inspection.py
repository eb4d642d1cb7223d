"""What judges an app is found without a request and without its keys."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from agentos.os.auth.inspection import guard_of, policy_of
from agentos.os.middleware import JWTMiddleware
from tests.os.auth.guarded_app import client
from tests.os.tokens.signer import SECRET, bearer

HELD = frozenset({"app:read"})


def app_with(*layers: dict) -> FastAPI:
    """Guarded several times; the last one is the outermost."""
    app = FastAPI()
    app.get("/agents")(lambda: "agents")
    for options in layers:
        app.add_middleware(JWTMiddleware, [SECRET], algorithm="HS256", **options)
    return app


def test_an_app_without_tokens_has_no_policy():
    app = FastAPI()
    app.add_middleware(CORSMiddleware)
    assert policy_of(app) is None
    assert guard_of(app) is None


def test_the_policy_is_the_one_that_the_parameters_make():
    app = app_with({"scope_mappings": {"GET /agents": ["app:read"]}, "admin_scope": "foo:bar"})
    policy = policy_of(app)
    assert policy is not None
    assert policy.decide(HELD, "GET", "/agents").allowed
    assert not policy.decide(frozenset({"agents:read"}), "GET", "/agents").allowed
    assert policy.decide(frozenset({"foo:bar"}), "GET", "/config").reason == "admin"


def test_the_rule_about_rows_comes_with_it():
    guard = guard_of(app_with({"user_isolation": False, "all_users_scope": "all:read"}))
    assert guard is not None
    assert (guard.is_isolated, guard.all_users_scope) == (False, "all:read")


async def test_of_several_the_one_is_found_that_judges():
    mapped, other = {"GET /agents": ["app:read"]}, {"GET /agents": ["app:other"]}
    for layers in (
        [{"scope_mappings": other}, {"scope_mappings": mapped}],
        [{"scope_mappings": mapped}, {}],
        [{}, {"scope_mappings": mapped}],
        [{}, {}],
    ):
        app = app_with(*layers)
        policy = policy_of(app)
        assert policy is not None
        async with client(app) as http:
            for scope in ("app:read", "app:other", "x:y"):
                answer = await http.get("/agents", headers=bearer(scope))
                assert policy.decide(frozenset({scope}), "GET", "/agents").allowed is answer.is_success
