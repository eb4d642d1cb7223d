"""One shared key: who holds it may do everything, and nothing turns it on but the code."""

import logging

import pytest

from agentos.errors import ConfigurationError
from agentos.os import AgentOS
from agentos.os.auth_settings import AuthorizationConfig
from tests.os.apps import SECRET, agent, bearer, secured, serving

KEY = "a-key-that-is-long-enough"
HOLDER = {"Authorization": f"Bearer {KEY}"}


def keyed(db=None, key: str | bool = KEY, **options):
    return AgentOS(agents=[agent()], db=db, security_key=key, **options).get_app()


async def test_the_holder_may_do_everything_and_sees_everyones_rows(db):
    async with serving(keyed(db)) as caller:
        for user in ("alice", "bob"):
            made = await caller.post("/sessions", json={"user_id": user}, headers=HOLDER)
            assert (made.status_code, made.json()["user_id"]) == (201, user)
        listed = (await caller.get("/sessions", headers=HOLDER)).json()
        assert listed["meta"]["total_count"] == 2
        assert (await caller.get("/authz/matrix", headers=HOLDER)).status_code == 200
        assert (await caller.get("/info", headers=HOLDER)).json()["auth_mode"] == "security_key"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": KEY},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": f"Bearer {KEY.upper()}"},
        {"Authorization": "Bearer \xe9".encode("latin-1")},
        {"Cookie": f"access_token={KEY}"},
    ],
)
async def test_anybody_else_is_refused(headers):
    async with serving(keyed()) as caller:
        answer = await caller.get("/config", headers=headers)
        assert answer.status_code == 401
        assert KEY not in answer.text + str(answer.headers)
        assert (await caller.get("/config", headers={"Authorization": f"bearer  {KEY}"})).status_code == 200
        assert (await caller.get("/health")).status_code == 200


async def test_a_jwt_is_no_key():
    async with serving(keyed()) as caller:
        assert (await caller.get("/config", headers=bearer("root", "agent_os:admin"))).status_code == 401


async def test_service_accounts_go_as_far_as_their_scopes(db):
    async with serving(keyed(db)) as caller:
        body = {"name": "ci", "scopes": ["config:read"]}
        token = (await caller.post("/service-accounts", json=body, headers=HOLDER)).json()["token"]
        machine = {"Authorization": f"Bearer {token}"}
        assert (await caller.get("/config", headers=machine)).status_code == 200
        assert (await caller.get("/sessions", headers=machine)).status_code == 403


async def test_the_environment_fills_in_the_key_but_never_turns_it_on(monkeypatch):
    monkeypatch.setenv("OS_SECURITY_KEY", KEY)
    async with serving(AgentOS(agents=[agent()]).get_app()) as caller:
        assert (await caller.get("/config")).status_code == 200
    async with serving(keyed(key=True)) as caller:
        assert (await caller.get("/config")).status_code == 401
        assert (await caller.get("/config", headers=HOLDER)).status_code == 200
    async with serving(keyed(key="the-code-s-own-key")) as caller:
        assert (await caller.get("/config", headers=HOLDER)).status_code == 401


async def test_the_environments_key_does_nothing_beside_jwts(monkeypatch):
    monkeypatch.setenv("OS_SECURITY_KEY", KEY)
    async with serving(secured(AgentOS(agents=[agent()]).get_app())) as caller:
        assert (await caller.get("/config", headers=HOLDER)).status_code == 401
        assert (await caller.get("/config", headers=bearer("alice"))).status_code == 200


@pytest.mark.parametrize(
    "key", [True, "", "two words here and", "schlüssel-schlüssel", "line\nline-line-line"]
)
def test_a_key_that_cant_work_is_refused(key, monkeypatch):
    monkeypatch.delenv("OS_SECURITY_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="security_key"):
        keyed(key=key)


def test_a_short_key_is_warned_of_without_showing_it(caplog):
    with caplog.at_level(logging.WARNING):
        keyed(key="short")
        assert "guessed" in caplog.text
        assert "short" not in caplog.text
        caplog.clear()
        keyed()
        assert not caplog.text


async def test_a_key_and_jwts_together_are_refused():
    config = AuthorizationConfig(verification_keys=[SECRET], algorithm="HS256")
    apps = [
        keyed(authorization=True, authorization_config=config),
        secured(keyed()),
    ]
    for app in apps:
        with pytest.raises(ConfigurationError, match="leave one out"):
            async with serving(app):
                pass


async def test_who_guesses_isnt_told_when_they_are_right():
    async with serving(keyed()) as caller:
        wrong = {"Authorization": "Bearer wrong"}
        guesses = [(await caller.get("/config", headers=wrong)).status_code for _ in range(21)]
        assert guesses == [401] * 20 + [429]
        assert (await caller.get("/config", headers=HOLDER)).status_code == 429
    async with serving(keyed()) as caller:
        assert (await caller.get("/config", headers=HOLDER)).status_code == 200
