"""A guarded server next to a real identity provider, which rotates its keys, floods, sleeps and dies."""

import asyncio
from contextlib import asynccontextmanager
from time import monotonic

import httpx
import pytest

from agentos.os import AgentOS
from agentos.os.auth_settings import AuthorizationConfig
from tests.flows.processes import free_port
from tests.os.apps import agent, listening
from tests.os.auth.guarded_app import client, guarded
from tests.os.tokens.provider import DISCOVERY, JWKS, SigningKey, identity_provider

CALLERS = 8
ROTATIONS = 5


@pytest.fixture(scope="module")
def running_provider():
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider):
    running_provider.serve(
        DISCOVERY, {"issuer": running_provider.issuer, "jwks_uri": running_provider.jwks_url}
    )
    return running_provider


def trusting(**options):
    """An app that takes the provider's tokens."""
    return guarded(verification_keys=None, algorithm="ES256", authorization=True, **options)


@asynccontextmanager
async def served(app):
    """A client of the app, which is on a port of its own."""
    async with (
        listening(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        yield http


async def status(http, key: SigningKey, **options) -> int:
    response = await http.get("/config", headers=key.bearer("config:read", **options))
    return response.status_code


async def test_keys_rotate_under_load_and_nobody_is_refused(provider):
    published = [SigningKey()]
    provider.publish(*published)
    before, statuses, is_over = provider.fetches, [], False

    async def call(http) -> None:
        """Without pause, with the two newest keys: the third is still published, for those on their way."""
        while not is_over:
            statuses.extend([await status(http, key, iss=provider.issuer) for key in published[-2:]])

    async with served(trusting(issuer=provider.issuer)) as http:
        callers = [asyncio.create_task(call(http)) for _ in range(CALLERS)]
        for rotation in range(ROTATIONS):
            key = SigningKey()
            await asyncio.to_thread(provider.publish, *published[-2:], key)
            published.append(key)
            assert await status(http, key, iss=provider.issuer) == 200, rotation
            seen = len(statuses)
            while len(statuses) < seen + 3 * CALLERS:
                await asyncio.sleep(0)
        is_over = True
        await asyncio.gather(*callers)
        removed, kept = published[:-3], published[-3:]
        assert [await status(http, key, iss=provider.issuer) for key in kept] == [200] * 3
        assert [await status(http, key, iss=provider.issuer) for key in removed] == [401] * len(removed)
    assert set(statuses) == {200}
    # One at the start, which the first rotation may share, one a rotation, one in vain for the removed.
    assert ROTATIONS < provider.fetches - before <= ROTATIONS + 2


async def test_a_flood_of_unknown_keys_fetches_once_and_hinders_nobody(provider):
    key, forger = SigningKey(), SigningKey()
    provider.publish(key)
    async with client(trusting(jwks_url=provider.jwks_url)) as http:
        assert await status(http, key) == 200
        before = provider.fetches
        forged = [forger.token("config:read", kid=f"forged {n}") for n in range(1000)]
        headers = [{"Authorization": f"Bearer {text}"} for text in forged]
        refused = [http.get("/config", headers=each) for each in headers]
        answers = await asyncio.gather(*refused, *(status(http, key) for _ in range(20)))
    assert {answer.status_code for answer in answers[:1000]} <= {401, 429}
    assert set(answers[1000:]) == {200}
    assert provider.fetches - before == 1


async def test_a_server_starts_without_its_provider_and_verifies_nothing():
    key = SigningKey()
    app = trusting(jwks_url=f"http://127.0.0.1:{free_port()}{JWKS}")
    async with served(app) as http:
        answer = await http.get("/config", headers=key.bearer("config:read"))
        assert (answer.status_code, answer.json()["code"]) == (503, "keys_unavailable")
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/config")).status_code == 401
        assert (await http.get("/config", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_a_server_starts_and_ends_while_its_provider_is_silent(provider):
    key = SigningKey()
    provider.publish(key, hold=-1)
    begun = monotonic()
    async with served(trusting(jwks_url=provider.jwks_url)) as http:
        assert (await http.get("/health")).status_code == 200
    assert monotonic() - begun < 4
    assert "refresh keys" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_keys_are_here_before_the_first_request(provider):
    key = SigningKey()
    provider.publish(key)
    before = provider.fetches
    async with served(trusting(issuer=provider.issuer)) as http:
        while await asyncio.to_thread(lambda: provider.fetches) == before:
            pass
        assert await status(http, key, iss=provider.issuer) == 200
        assert await status(http, key, iss="https://elsewhere.example") == 401
    assert provider.fetches - before == 1


async def test_an_agent_os_needs_to_know_its_issuer_and_no_more(provider):
    key = SigningKey()
    provider.publish(key)
    config = AuthorizationConfig(issuer=provider.issuer, algorithm="ES256")
    agent_os = AgentOS(id="my-os", agents=[agent()], authorization=True, authorization_config=config)
    async with served(agent_os.get_app()) as http:
        assert await status(http, key, iss=provider.issuer, aud="my-os") == 200
        assert await status(http, key, iss=provider.issuer, aud="other") == 401
        assert await status(http, SigningKey(), iss=provider.issuer, aud="my-os") == 401


async def test_the_environments_proxies_are_nothing_to_a_provider_on_this_machine(provider, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    key = SigningKey()
    provider.publish(key)
    async with client(trusting(jwks_url=provider.jwks_url)) as http:
        assert await status(http, key) == 200
