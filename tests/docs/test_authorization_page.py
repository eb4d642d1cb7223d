"""What docs/authorization.md says is so: its table, its programs, its commands and what they print."""

import importlib
import re
import sys
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from agentos.os.auth_settings import AuthSettings
from agentos.os.tokens.service_accounts import PREFIX
from scripts.tables import written
from tests.docs.readme import DOCS, ROOT, blocks, looks_like, section
from tests.docs.test_readme import shell
from tests.os.apps import SECRET, bearer, listening, serving
from tests.os.threats import forged_tokens
from tests.os.tokens.provider import DISCOVERY, JWKS, identity_provider

TEXT = (DOCS / "authorization.md").read_text()
MAP, DENIED = "Example server", "Reading a 403"
TESTING = "Testing your own map"
FOR_ONE = "Tokens for single agents"
RUN = "/agents/web/runs"
HI = {"message": "hi", "stream": False}


@pytest.fixture
def load(tmp_path, database, monkeypatch):
    """Imports one of the page's programs, which find each other as they would in one folder."""
    programs = {Path(each.title).stem: each.text for each in blocks(TEXT) if each.language == "python"}

    def loaded(name: str, **changes: str):
        for each, text in programs.items():
            for old, new in changes.items():
                text = text.replace(old, new)
            (tmp_path / f"{each}.py").write_text(text)
            monkeypatch.delitem(sys.modules, each, raising=False)
        app = importlib.import_module(name).app
        for each in programs:
            monkeypatch.delitem(sys.modules, each, raising=False)
        return app

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("JWT_VERIFICATION_KEY", SECRET)
    return loaded


@pytest.fixture
def folder(tmp_path) -> Path:
    """The page's files, as a reader would have them."""
    for each in blocks(TEXT):
        if each.title:
            (tmp_path / each.title).write_text(each.text)
    return tmp_path


def test_the_tables_are_what_the_code_does():
    assert written("authorization.md", TEXT) == TEXT, "run python -m scripts.tables"
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [name for name, _, _ in rows] == [each.name for each in fields(AuthSettings)]
    assert dict(row[:2] for row in rows)["leeway"] == f"`{AuthSettings().leeway}`"


async def test_the_map_decides_and_a_403_looks_as_shown(load):
    async with serving(load("server")) as client:
        denied = await client.post(RUN, json=HI, headers=bearer("ann", "app:run"))
        assert denied.status_code == 403
        shown = next(block for block in section(DENIED, TEXT) if block.language == "json")
        compact = re.sub(r"\n\s*", "", shown.text).replace('": ', '":').replace('",\n', '",')
        assert looks_like(compact, denied.text), denied.text
        granted = await client.post(RUN, json=HI, headers=bearer("ann", "app:run", "app:execute"))
        assert granted.status_code == 200
        assert (await client.get("/sessions", headers=bearer("ann", "app:read"))).json()["data"]
        assert (await client.get("/sessions", headers=bearer("bob", "app:read"))).json()["data"] == []
        assert (await client.get("/sessions", headers=bearer("root", "app:admin"))).json()["data"]


def test_every_code_of_a_403_is_named():
    (line,) = [line for line in TEXT.splitlines() if line.startswith("- `code` is ")]
    named = set(re.findall(r"`([a-z]+_[a-z]+)`", line))
    sources = "\n".join(path.read_text() for path in (ROOT / "agentos/os").rglob("*.py"))
    assert named == {"missing_scope", "no_rule", "no_identity", "foreign_origin"}
    assert [code for code in named if f'"{code}"' not in sources] == []


@pytest.mark.parametrize(("heading", "place"), [(DENIED, 1), (TESTING, 1), (FOR_ONE, 1)])
def test_the_commands_print_what_is_shown(folder, heading, place):
    typed, shown = section(heading, TEXT)[place : place + 2]
    printed = shell(typed.text, folder, DATABASE_URL="postgresql+psycopg://nobody@localhost:1/nothing")
    assert looks_like(shown.text, printed), printed


def test_service_accounts_come_and_go_as_shown(folder, database):
    typed, shown = section("Service accounts for CI", TEXT)
    printed = shell(typed.text + '\necho "$CI_TOKEN"', folder, DATABASE_URL=database)
    assert looks_like(shown.text, printed), printed
    assert printed.splitlines()[-1].startswith(PREFIX)


READS = ["agents:read"]
CLAIMS = {
    "keycloak": (
        "https://keycloak.example.com/realms/main",
        {"aud": "my-os", "scope": "openid agents:read"},
    ),
    "auth0": (
        "https://example.eu.auth0.com/",
        {"aud": ["https://my-os.example.com", "https://example/userinfo"], "permissions": READS},
    ),
    "okta": (
        "https://example.okta.com/oauth2/default",
        {"aud": "api://my-os", "scp": READS, "uid": "00u1"},
    ),
}


@pytest.mark.parametrize("name", CLAIMS)
async def test_a_providers_tokens_are_read_as_it_writes_them(load, name, monkeypatch):
    monkeypatch.delenv("JWT_VERIFICATION_KEY")
    issuer, claims = CLAIMS[name]

    def token(**changed) -> dict[str, str]:
        payload = forged_tokens.claims(**{"scopes": ..., "iss": local, **claims, **changed})
        return {"Authorization": f"Bearer {forged_tokens.forged({}, payload, forged_tokens.signed)}"}

    with identity_provider() as provider:
        local = provider.issuer + "/" * issuer.endswith("/")
        provider.serve(DISCOVERY, {"issuer": local, "jwks_uri": provider.jwks_url})
        provider.serve(JWKS, {"keys": [forged_tokens.jwk()]})
        # Keys are fetched while the server runs: the middleware sees its start and its end.
        async with (
            listening(load(name, **{issuer: local})) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            assert (await client.get("/agents", headers=token())).status_code == 200
            assert (await client.get("/config", headers=token())).status_code == 403
            assert (await client.get("/agents", headers=token(aud="another"))).status_code == 401
            assert (await client.get("/agents", headers=token(exp=1))).status_code == 401
            assert (await client.get("/agents")).status_code == 401


async def test_cookies_act_for_named_pages_only(load):
    async with serving(
        load("cookies"), cookies={"access_token": bearer("ann")["Authorization"][7:]}
    ) as client:
        for origin, status in [("https://app.example.com", 200), ("https://evil.example.com", 403)]:
            answer = await client.post(RUN, json=HI, headers={"Origin": origin})
            assert answer.status_code == status
        assert answer.json()["code"] == "foreign_origin"
        assert (await client.get("/agents")).status_code == 200


async def test_a_token_for_one_agent_is_for_that(load):
    async with serving(load("agents")) as client:
        one = bearer("ann", "agents:web:run", "agents:web:read")
        assert (await client.post(RUN, json=HI, headers=one)).status_code == 200
        assert (await client.post("/agents/docs/runs", json=HI, headers=one)).status_code == 403
        assert [each["id"] for each in (await client.get("/agents", headers=one)).json()] == ["web"]


def test_the_readme_leads_here():
    assert "](docs/authorization.md)" in (ROOT / "README.md").read_text()
