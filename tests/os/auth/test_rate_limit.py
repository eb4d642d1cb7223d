"""Too many bad tokens from one address: 429, for those who fail and for no one else."""

import httpx
import pytest

from agentos.errors import ConfigurationError
from agentos.os.auth_settings import AuthSettings
from agentos.os.http.rate_limit import MAX_ADDRESSES, Failures, address_of
from agentos.os.middleware import JWTMiddleware
from tests.os.auth.guarded_app import bare_app, guarded, plain
from tests.os.tokens.signer import OTHER_SECRET, SECRET, bearer, token

BAD = {"Authorization": f"Bearer {token(key=OTHER_SECRET)}"}
LIMIT = 20


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def at(address: str | None) -> dict:
    return {"client": None if address is None else (address, 1234)}


def client(app, address: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def statuses(caller: httpx.AsyncClient, headers: dict, count: int) -> list[int]:
    return [(await caller.get("/config", headers=headers)).status_code for _ in range(count)]


async def test_the_twenty_first_failure_of_a_minute_is_told_to_wait():
    async with client(guarded()) as caller:
        assert await statuses(caller, BAD, LIMIT) == [401] * LIMIT
        answer = await caller.get("/config", headers=BAD)
    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_failures"
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_another_address_and_what_needs_no_token_are_left_alone():
    app = guarded()
    async with client(app) as caller, client(app, "192.0.2.2") as other:
        await statuses(caller, BAD, LIMIT)
        assert await statuses(caller, BAD, 1) == [429]
        assert await statuses(other, BAD, 1) == [401]
        assert (await caller.get("/health", headers=BAD)).status_code == 200


async def test_a_good_token_passes_from_the_same_address():
    async with client(guarded()) as caller:
        await statuses(caller, BAD, LIMIT + 1)
        assert await statuses(caller, bearer(), 1) == [200]


async def test_no_token_and_one_that_was_good_are_no_failures():
    async with client(guarded()) as caller:
        assert await statuses(caller, {}, LIMIT + 5) == [401] * (LIMIT + 5)
        assert await statuses(caller, bearer(exp=1), LIMIT + 5) == [401] * (LIMIT + 5)
        assert await statuses(caller, BAD, LIMIT + 1) == [401] * LIMIT + [429]
        assert await statuses(caller, bearer(exp=1), 1) == [401]


async def test_an_expired_token_of_another_key_is_a_failure():
    forged = {"Authorization": f"Bearer {token(key=OTHER_SECRET, exp=1)}"}
    async with client(guarded()) as caller:
        assert await statuses(caller, forged, LIMIT + 1) == [401] * LIMIT + [429]


async def test_the_limit_is_the_operators():
    async with client(guarded(failed_logins_per_minute=2)) as caller:
        assert await statuses(caller, BAD, 3) == [401, 401, 429]
    async with client(guarded(failed_logins_per_minute=0)) as caller:
        assert await statuses(caller, BAD, 30) == [401] * 30
    with pytest.raises(ConfigurationError, match="failed_logins_per_minute"):
        JWTMiddleware(plain, [SECRET], algorithm="HS256", failed_logins_per_minute=-1)


async def test_a_page_of_another_origin_may_read_the_answer():
    from starlette.middleware.cors import CORSMiddleware

    app = bare_app()
    app.add_middleware(CORSMiddleware, allow_origins=["https://page.example"])
    async with client(guarded(app, failed_logins_per_minute=1)) as caller:
        await statuses(caller, BAD, 1)
        answer = await caller.get("/config", headers={**BAD, "Origin": "https://page.example"})
    assert answer.status_code == 429
    assert answer.headers["access-control-allow-origin"] == "https://page.example"


def test_a_minute_later_it_may_try_again_and_trying_meanwhile_costs_nothing():
    clock = Clock()
    failures = Failures(AuthSettings(failed_logins_per_minute=2), clock=clock)
    failures.count(at("192.0.2.1"))
    clock.now += 30
    failures.count(at("192.0.2.1"))
    assert failures.wait(at("192.0.2.1")) == 30
    for _ in range(10):
        failures.count(at("192.0.2.1"))
    clock.now += 30
    assert failures.wait(at("192.0.2.1")) == 0
    failures.count(at("192.0.2.1"))
    assert failures.wait(at("192.0.2.1")) == 30


def test_no_more_addresses_are_remembered_than_fit():
    failures = Failures(AuthSettings(failed_logins_per_minute=1))
    failures.count(at("first"))
    for number in range(MAX_ADDRESSES - 1):
        failures.count(at(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    assert failures.wait(at("first"))
    failures.count(at("one too many"))
    assert not failures.wait(at("first"))
    assert failures.wait(at("one too many"))


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        (None, "", True),
        ("a" * 100, "a" * 200, True),
    ],
)
def test_which_addresses_are_one_callers(one, other, are_one):
    assert (address_of(at(one)) == address_of(at(other))) is are_one
