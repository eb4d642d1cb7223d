"""The middleware over HTTP: who gets in, who doesn't, and what the answers say."""

import logging
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware

from agentos.os.middleware import TokenSource
from tests.os.auth.guarded_app import bare_app, client, guarded, plain
from tests.os.tokens.signer import OTHER_SECRET, bearer, token

MAP = {
    "GET /agents": ["app:read"],
    "GET /agents/*": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],
    "GET /me": [],
}
RIGHT = {"iss": "https://right", "aud": "my-os"}


@pytest.mark.parametrize(
    ("request_", "headers", "status"),
    [
        ("GET /agents", bearer("app:read"), 200),
        ("GET /agents", bearer("agents:read"), 403),
        ("GET /agents", bearer(), 403),
        ("GET /agents", {}, 401),
        ("GET /agents", bearer("app:read", key=OTHER_SECRET), 401),
        ("GET /agents/", bearer("app:read"), 200),
        ("GET /agents/", bearer(), 403),
        ("GET /agents/web", bearer("app:read"), 200),
        ("POST /agents/web/runs", bearer("app:run", "app:execute"), 200),
        ("POST /agents/web/runs", bearer("app:run"), 403),
        ("GET /config", bearer("config:read"), 200),
        ("GET /config", bearer("app:read"), 403),
        ("GET /config/", bearer("config:read"), 200),
        ("GET /config/", bearer("app:read"), 403),
        ("GET /me", bearer(), 200),
        ("GET /me", {}, 401),
        ("GET /config", bearer("foo:bar"), 200),
        ("GET /config", bearer("agent_os:admin"), 403),
        ("GET /health", {}, 200),
        ("GET /health/", {}, 200),
        ("GET /", {}, 200),
        ("GET /docs", {}, 200),
        ("GET /openapi.json", {}, 200),
        ("GET /health", bearer(key=OTHER_SECRET), 200),
        ("GET /nowhere", bearer(), 404),
        ("GET /nowhere", bearer("foo:bar"), 404),
        ("GET /nowhere", {}, 401),
        ("GET /agents/web/nothing/there", bearer(), 404),
        ("POST /config", bearer(), 405),
        ("POST /config", bearer("foo:bar"), 405),
        ("POST /config", {}, 401),
        ("OPTIONS /config", {}, 401),
        ("OPTIONS /config", {"Origin": "https://a.example"}, 401),
        ("OPTIONS /config", {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}, 405),
        ("OPTIONS /config", bearer("agent_os:admin"), 405),
        ("OPTIONS /me", {}, 401),
        ("OPTIONS /me", bearer(), 405),
    ],
)
async def test_a_request_gets_what_its_token_allows(request_, headers, status):
    method, path = request_.split(" ")
    async with client(guarded(scope_mappings=MAP, admin_scope="foo:bar")) as http:
        assert (await http.request(method, path, headers=headers)).status_code == status


async def test_without_a_map_any_valid_token_will_do():
    async with client(guarded()) as http:
        for path in ("/agents", "/config", "/me", "/sessions"):
            assert (await http.get(path, headers=bearer())).status_code == 200
            assert (await http.get(path)).status_code == 401
        assert (await http.get("/config%0a", headers=bearer())).status_code == 404


async def test_authorization_alone_turns_the_defaults_on():
    async with client(guarded(authorization=True)) as http:
        assert (await http.get("/config", headers=bearer("config:read"))).status_code == 200
        assert (await http.get("/config", headers=bearer())).status_code == 403
        assert (await http.get("/me", headers=bearer())).status_code == 403


async def test_an_unmapped_route_is_denied_with_the_line_that_would_map_it():
    app = bare_app()
    app.get("/reports/{year}/v{version}")(lambda: "report")
    app.get("/files/{path:path}")(lambda: "file")
    app.mount("/static", plain)
    async with client(guarded(app, scope_mappings={})) as http:
        for path, line in {
            "/reports/2026/v1": '"GET /reports/{year}/*": ["resource:action"]',
            "/files/a/b/c": '"GET /files/*": ["resource:action"]',
            "/static/logo.png": '"GET /static/*": ["resource:action"]',
        }.items():
            answer = await http.get(path, headers=bearer())
            assert (answer.status_code, answer.json()["code"]) == (403, "no_rule")
            assert line in answer.json()["detail"]
    lenient = guarded(bare_app(), scope_mappings={}, unmapped="allow")
    async with client(lenient) as http:
        assert (await http.get("/me", headers=bearer())).status_code == 200
        assert (await http.get("/me")).status_code == 401
        assert (await http.get("/config", headers=bearer())).status_code == 403


async def test_the_line_that_a_denial_asks_for_maps_the_route():
    app = guarded(scope_mappings={"GET /me": ["my:data"]})
    async with client(app) as http:
        assert (await http.get("/me", headers=bearer())).status_code == 403
        assert (await http.get("/me", headers=bearer("my:data"))).status_code == 200


async def test_a_denial_says_what_was_missing():
    async with client(guarded(scope_mappings=MAP)) as http:
        answer = await http.post("/agents/web/runs", headers=bearer("app:run"))
    body = answer.json()
    assert len(body.pop("decision_id")) == 32
    assert body == {
        "detail": "Insufficient permissions. Required scope(s): app:run, app:execute",
        "code": "missing_scope",
        "missing": ["app:execute"],
        "rule": "POST /agents/*/runs",
    }
    challenge = answer.headers["www-authenticate"]
    assert challenge == 'Bearer error="insufficient_scope", scope="app:run app:execute"'


@pytest.mark.parametrize(
    ("headers", "detail", "code"),
    [
        ({}, "Authorization header missing", "missing_token"),
        ({"Authorization": "Basic YTpi"}, "Authorization header missing", "missing_token"),
        ({"Authorization": "Bearer a.b.c"}, "Invalid token: malformed", "invalid_token"),
        (bearer(exp=datetime.now(UTC) - timedelta(hours=1)), "Token has expired", "expired_token"),
        (bearer(**RIGHT, sub=5), "Invalid token: Subject must be a string", "invalid_token"),
        (bearer(**RIGHT, sub="sa:ci"), "Invalid token subject", "invalid_token"),
        (bearer(aud="my-os", iss="https://evil"), "Invalid token: Invalid issuer", "invalid_token"),
        (
            bearer(iss="https://right", aud="other"),
            "Invalid token audience - token not valid for this AgentOS instance",
            "invalid_token",
        ),
    ],
)
async def test_an_unproven_caller_is_told_why_but_no_secret(headers, detail, code):
    app = guarded(issuer="https://right", verify_audience=True, audience=["my-os"])
    async with client(app) as http:
        answer = await http.get("/me", headers=headers)
        assert (await http.get("/me", headers=bearer(**RIGHT))).status_code == 200
    assert answer.status_code == 401
    assert answer.json() == {"detail": detail, "code": code}
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    assert answer.headers["www-authenticate"] == ("Bearer" if code == "missing_token" else challenge)


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("header", "Authorization header missing"),
        ("cookie", "JWT cookie 'jwt' missing"),
        ("both", "JWT token missing from both Authorization header and 'jwt' cookie"),
    ],
)
async def test_a_missing_token_is_named_by_where_it_should_be(source, detail):
    async with client(guarded(token_source=source, cookie_name="jwt")) as http:
        assert (await http.get("/me")).json()["detail"] == detail


async def test_cookies_identify_as_headers_do():
    app = guarded(token_source=TokenSource.BOTH)
    async with client(app) as http:
        http.cookies.set("access_token", token(sub="carol"))
        assert (await http.get("/me")).json()["user_id"] == "carol"
        assert (await http.get("/me", headers=bearer(sub="dave"))).json()["user_id"] == "dave"
        assert (await http.get("/me", headers=bearer(key=OTHER_SECRET))).status_code == 401


async def test_a_token_in_the_query_is_none():
    async with client(guarded()) as http:
        assert (await http.get(f"/me?token={token()}&access_token={token()}")).status_code == 401


async def test_routes_of_ones_own_read_who_is_asking():
    async with client(guarded()) as http:
        seen = (await http.get("/me", headers=bearer("a:b", session_id="s1", team="x", exp=...))).json()
    assert seen == {
        "user_id": "alice",
        "session_id": "s1",
        "scopes": ["a:b"],
        "authenticated": True,
        "audience": None,
        "authorization_enabled": False,
        "claims": {"sub": "alice", "scopes": ["a:b"], "session_id": "s1", "team": "x"},
    }


async def test_a_public_route_has_no_identity():
    app = guarded(excluded_route_paths=["/me"], scope_mappings={})
    async with client(app) as http:
        seen = (await http.get("/me", headers=bearer("a:b"))).json()
        assert (await http.get("/config")).status_code == 401
    assert seen == {
        "user_id": None,
        "session_id": None,
        "scopes": [],
        "authenticated": False,
        "audience": None,
        "authorization_enabled": True,
        "claims": {},
    }


async def test_a_listing_held_per_id_is_filtered():
    async with client(guarded(authorization=True)) as http:
        assert (await http.get("/agents", headers=bearer("agents:web:read"))).json() == ["web"]
        assert (await http.get("/agents", headers=bearer("agents:read"))).json() is None
        assert (await http.get("/agents", headers=bearer("agents:web:run"))).status_code == 403


async def test_pages_of_allowed_origins_can_read_refusals():
    app = bare_app()
    app.add_middleware(CORSMiddleware, allow_origins=["https://ui.example"], allow_credentials=True)
    async with client(guarded(app, scope_mappings=MAP)) as http:
        for headers in ({}, bearer()):
            allowed = await http.get("/config", headers={**headers, "Origin": "https://ui.example"})
            assert allowed.headers["access-control-allow-origin"] == "https://ui.example"
            foreign = await http.get("/config", headers={**headers, "Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in foreign.headers
        preflight = await http.options(
            "/config", headers={"Origin": "https://ui.example", "Access-Control-Request-Method": "GET"}
        )
        assert preflight.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "http://testserver:80"}, 200),
        ({"Origin": "HTTP://TestServer"}, 200),
        ({"Origin": "https://testserver"}, 403),
        ({"Origin": "http://testserver:8080"}, 403),
        ({"Origin": "file://testserver"}, 403),
        ({"Origin": "https://ui.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://testserver.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_a_foreign_page_cant_act_with_the_cookie(headers, status):
    app = bare_app()
    app.add_middleware(CORSMiddleware, allow_origins=["https://ui.example"], allow_credentials=True)
    async with client(guarded(app, token_source="both")) as http:
        http.cookies.set("access_token", token())
        answer = await http.post("/agents/web/runs", headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "foreign_origin"
        assert (await http.get("/me", headers=headers)).status_code == 200
        http.cookies.clear()
        in_header = await http.post("/agents/web/runs", headers={**headers, **bearer()})
        assert in_header.status_code == 200


async def test_every_origin_names_none_that_may_act_with_the_cookie():
    app = bare_app()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    async with client(guarded(app, token_source="cookie")) as http:
        http.cookies.set("access_token", token())
        assert (
            await http.post("/agents/web/runs", headers={"Origin": "https://x.example"})
        ).status_code == 403
        assert (await http.post("/agents/web/runs")).status_code == 200


async def test_each_denial_is_one_line_without_the_token(caplog):
    caplog.set_level(logging.INFO, "agentos.auth")
    bad, poor = token(key=OTHER_SECRET), token(sub="eve\u2028\u202e", jti="ref-1")
    async with client(guarded(scope_mappings=MAP)) as http:
        await http.get("/config?a=b", headers={"Authorization": f"Bearer {bad}"})
        answer = await http.get("/config", headers={"Authorization": f"Bearer {poor}"})
        await http.get("/me", headers=bearer())
    lines = [record.getMessage() for record in caplog.records if record.name == "agentos.auth"]
    assert len(lines) == 2
    assert not any(bad in line or poor in line or "\u202e" in line for line in lines)
    assert lines[0].startswith("Denied (invalid_token): Invalid token: Signature verification failed, token ")
    assert "ref-1" in lines[1]
    assert answer.json()["decision_id"] in lines[1]


async def test_headers_may_come_twice_over_the_wire():
    async with client(guarded()) as http:
        twice = httpx.Headers(
            [("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token()}")]
        )
        assert (await http.get("/me", headers=twice)).status_code == 401
