"""The middleware among others: on one app twice, around apps, before WebSockets, and built from mistakes."""

import pytest
from fastapi import WebSocket

from agentos.errors import ConfigurationError
from agentos.os.middleware import JWTMiddleware
from agentos.os.principal import Access, access_of
from tests.os.auth.guarded_app import bare_app, client, guarded, plain
from tests.os.tokens.signer import OTHER_SECRET, SECRET, bearer


async def test_two_on_one_app_are_one():
    app = guarded(bare_app(), authorization=True)
    app.add_middleware(
        JWTMiddleware,
        verification_keys=[OTHER_SECRET],
        algorithm="HS256",
        scope_mappings={"GET /config": ["a:b"]},
    )
    async with client(app) as http:
        outer = bearer("a:b", key=OTHER_SECRET)
        assert (await http.get("/config", headers=outer)).status_code == 200
        assert (await http.get("/config", headers=bearer("config:read"))).status_code == 401


async def test_one_that_only_authenticates_doesnt_switch_off_the_one_that_authorizes():
    app = guarded(bare_app(), authorization=True)
    app.add_middleware(JWTMiddleware, verification_keys=[OTHER_SECRET], algorithm="HS256")
    async with client(app) as http:
        assert (await http.get("/config", headers=bearer("config:read", key=OTHER_SECRET))).status_code == 200
        assert (await http.get("/config", headers=bearer("a:b", key=OTHER_SECRET))).status_code == 403


async def test_one_around_another_app_doesnt_judge_for_it():
    outer = bare_app()
    outer.mount("/os", guarded(authorization=True))
    outer.add_middleware(
        JWTMiddleware, verification_keys=[SECRET], algorithm="HS256", scope_mappings={"GET /os/*": []}
    )
    async with client(outer) as http:
        assert (await http.get("/os/config", headers=bearer("config:read"))).status_code == 200
        assert (await http.get("/os/config", headers=bearer())).status_code == 403
        assert (await http.get("/config", headers=bearer("x:y"))).status_code == 403


async def test_it_works_around_any_asgi_app():
    app = JWTMiddleware(plain, [SECRET], algorithm="HS256", scope_mappings={"GET /x": ["a:b"]})
    async with client(app) as http:
        assert (await http.get("/x", headers=bearer("a:b"))).status_code == 200
        assert (await http.get("/x", headers=bearer())).status_code == 403
        assert (await http.get("/x")).status_code == 401
    around = JWTMiddleware(bare_app(), [SECRET], algorithm="HS256", authorization=True)
    async with client(around) as http:
        assert (await http.get("/config", headers=bearer("config:read"))).status_code == 200
        assert (await http.get("/config", headers=bearer())).status_code == 403


async def test_a_lifespan_state_of_the_servers_is_no_access():
    seen: list[Access] = []

    async def app(scope, receive, send):
        seen.append(access_of(scope))
        await plain(scope, receive, send)

    async def with_state(scope, receive, send):
        await guard({**scope, "state": {"access": "root", "pool": 5}}, receive, send)

    guard = JWTMiddleware(app, [SECRET], algorithm="HS256")
    async with client(with_state) as http:
        assert (await http.get("/x")).status_code == 401
        assert (await http.get("/x", headers=bearer())).status_code == 200
    assert [access.principal.user_id for access in seen] == ["alice"]


async def test_websockets_are_judged_before_they_are_accepted():
    app = guarded(scope_mappings={"GET /live": ["a:b"]})

    @app.websocket("/live")
    async def live(websocket: WebSocket):
        await websocket.accept()
        await websocket.close()

    assert await opened(app, "/live", bearer("a:b")) == "websocket.accept"
    for path, headers in (
        ("/live", bearer()),
        ("/live", {}),
        ("/other", bearer("a:b")),
        ("/live/", bearer()),
    ):
        assert await opened(app, path, headers) == "websocket.close 1008"


async def opened(app, path, headers) -> str:
    """The first message that the app answers a WebSocket with."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": path, "headers": raw, "query_string": b"", "subprotocols": []}
    await app(scope, receive, send)
    return f"{sent[0]['type']} {sent[0].get('code', '')}".strip()


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"verification_keys": []}, "verification_keys"),
        ({"verification_keys": [SECRET], "algorithm": "RS256"}, "verification_keys"),
        ({"algorithm": "none"}, "algorithm"),
        ({"scope_mappings": {"agents": ["a:b"]}}, "agents"),
        ({"scope_mappings": {}, "authorization": False}, "authorization"),
        ({"verify_audience": True, "audience": []}, "audience"),
        ({"verify_audience": True, "audience": ""}, "audience"),
        ({"token_source": "query"}, "token_source"),
        ({"validate": False}, "validate=False would accept forged tokens"),
        ({"validate": 1}, "validate"),
        ({"excluded_route_paths": "/x"}, "excluded_route_paths"),
        ({"excluded_route_paths": ["x"]}, "x"),
        ({"dependencies_claims": "tenant"}, "dependencies_claims"),
        ({"leeway": -1}, "leeway"),
        ({"leeway": float("nan")}, "leeway"),
        ({"unmapped": "maybe", "scope_mappings": {}}, "unmapped"),
        ({"admin_scope": ""}, "admin_scope"),
    ],
)
def test_a_parameter_that_cant_work_is_named_at_once(options, parameter, monkeypatch):
    monkeypatch.delenv("JWT_VERIFICATION_KEY", raising=False)
    for kind in (ConfigurationError, ValueError):
        with pytest.raises(kind, match=parameter):
            JWTMiddleware(plain, **{"verification_keys": [SECRET], "algorithm": "HS256", **options})


async def test_names_that_existing_apps_use_work():
    from agentos.os.middleware.trailing_slash import TrailingSlashMiddleware

    app = bare_app()
    app.add_middleware(TrailingSlashMiddleware)
    app.add_middleware(JWTMiddleware, [SECRET], algorithm="HS256", validate=True)
    async with client(app) as http:
        told = (await http.get("/me/", headers=bearer("a:b", aud="x"))).json()
    known = {"authorization_enabled": False, "audience": "x", "scopes": ["a:b"], "user_id": "alice"}
    assert {name: told[name] for name in known} == known


def test_an_audience_that_isnt_checked_is_warned_about(caplog):
    JWTMiddleware(plain, [SECRET], algorithm="HS256", audience="os")
    assert "verify_audience" in caplog.text


async def test_only_an_agentos_has_an_id_to_compare_audiences_with():
    async def starting():
        return {"type": "lifespan.startup"}

    app = guarded(verify_audience=True)
    with pytest.raises(ConfigurationError, match="audience"):
        await app({"type": "lifespan"}, starting, None)
    async with client(app) as http:
        for aud in ("", "agentos", "None", ...):
            assert (await http.get("/config", headers=bearer(aud=aud))).status_code == 401
    async with client(guarded(verify_audience=True, audience="agentos")) as http:
        assert (await http.get("/config", headers=bearer(aud="agentos"))).status_code == 200


async def test_a_mistake_stops_the_app_before_it_serves():
    with pytest.raises(ConfigurationError):
        async with client(guarded(algorithm="none")) as http:
            await http.get("/health")
