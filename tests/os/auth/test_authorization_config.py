"""`AuthorizationConfig` and the middleware that it makes."""

import inspect
from dataclasses import fields

import pytest

from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.auth_settings import AuthorizationConfig, AuthSettings, middleware_options
from agentos.os.middleware import JWTMiddleware
from tests.os.apps import agent
from tests.os.auth.guarded_app import client
from tests.os.tokens.signer import SECRET, bearer


def built(config: AuthorizationConfig | None = None):
    app = AgentOS(id="my-os", agents=[agent()]).get_app()
    app.add_middleware(JWTMiddleware, **middleware_options(config))
    return client(app)


async def test_tokens_must_name_this_server_and_expire():
    config = AuthorizationConfig(verification_keys=[SECRET], algorithm="HS256")
    async with built(config) as http:
        assert (await http.get("/config", headers=bearer("config:read", aud="my-os"))).status_code == 200
        assert (await http.get("/config", headers=bearer("a:b", aud="my-os"))).status_code == 403
        assert (await http.get("/config", headers=bearer("config:read", aud="other"))).status_code == 401
        assert (await http.get("/config", headers=bearer("config:read"))).status_code == 401
        assert (
            await http.get("/config", headers=bearer("config:read", aud="my-os", exp=...))
        ).status_code == 401


async def test_both_can_be_turned_off():
    config = AuthorizationConfig(
        verification_keys=[SECRET], algorithm="HS256", verify_audience=False, require_exp=False
    )
    async with built(config) as http:
        assert (await http.get("/config", headers=bearer("config:read", exp=...))).status_code == 200
        assert (await http.get("/config", headers=bearer(exp=...))).status_code == 403


async def test_another_audience_may_be_named():
    config = AuthorizationConfig(verification_keys=[SECRET], algorithm="HS256", audience=["x", "y"])
    async with built(config) as http:
        assert (await http.get("/config", headers=bearer("config:read", aud="y"))).status_code == 200
        assert (await http.get("/config", headers=bearer("config:read", aud="my-os"))).status_code == 401


@pytest.mark.parametrize("claim", ["aud", "client"])
async def test_a_middleware_of_ones_own_compares_with_the_servers_id_too(claim):
    app = AgentOS(id="my-os", agents=[agent()]).get_app()
    app.add_middleware(JWTMiddleware, [SECRET], algorithm="HS256", verify_audience=True, audience_claim=claim)
    async with client(app) as http:
        for value, status in (("my-os", 200), (["a", "my-os"], 200), ("other", 401), ([], 401), (..., 401)):
            assert (await http.get("/config", headers=bearer(**{claim: value}))).status_code == status


async def test_keys_may_come_from_the_environment_alone(monkeypatch):
    monkeypatch.setenv("JWT_VERIFICATION_KEY", SECRET)
    async with built(AuthorizationConfig(algorithm="HS256")) as http:
        assert (await http.get("/config", headers=bearer("config:read", aud="my-os"))).status_code == 200


async def test_everything_else_reaches_the_middleware():
    config = AuthorizationConfig(
        verification_keys=[SECRET],
        algorithm="HS256",
        audience="my-os",
        issuer="https://a",
        leeway=0,
        strict=True,
        token_source="cookie",
        token_header_key="Authorization",
        cookie_name="jwt",
        scopes_claim="permissions",
        user_id_claim="email",
        session_id_claim="sid",
        audience_claim="aud",
        dependencies_claims=["tenant"],
        session_state_claims=["plan"],
        scope_mappings={"GET /me": ["my:data"]},
        admin_scope="my:admin",
        all_users_scope="all:read",
        excluded_route_paths=["/agents/*"],
        unmapped="deny",
        user_isolation=False,
        shadow_scope_mappings={"GET /me": ["my:other"]},
        failed_logins_per_minute=5,
    )
    options = middleware_options(config)
    assert options == {each.name: getattr(config, each.name) for each in fields(config)} | {
        "authorization": True
    }
    JWTMiddleware(lambda *_: None, **options)


def test_every_field_is_a_parameter_of_the_middleware():
    parameters = list(inspect.signature(JWTMiddleware).parameters.values())
    declared = list(inspect.signature(AuthSettings).parameters.values())
    assert [(each.name, each.default, each.kind) for each in parameters[1:]] == [
        (each.name, each.default, each.kind) for each in declared
    ]
    assert parameters[0].name == "app"


def test_only_two_defaults_differ():
    differing = {
        each.name: each.default
        for each, base in zip(fields(AuthorizationConfig), fields(AuthSettings), strict=True)
        if each.default != base.default
    }
    assert differing == {"verify_audience": True, "require_exp": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"verification_key": [SECRET]},
        {"verification_keys": SECRET},
        {"unmapped": "maybe"},
        {"token_source": "query"},
    ],
)
def test_a_field_that_cant_work_is_named_but_not_repeated(fields):
    with pytest.raises(ConfigurationError) as caught:
        AuthorizationConfig(**fields)
    assert next(iter(fields)) in str(caught.value)
    assert SECRET not in str(caught.value)
