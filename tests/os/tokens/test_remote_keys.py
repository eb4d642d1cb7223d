"""Fetching keys from a real provider: what is taken, what is refused, and what is never a way in."""

import asyncio
import socket

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from agentos.errors import ConfigurationError
from agentos.os.auth_settings import AuthSettings
from agentos.os.tokens.claims import TokenError
from agentos.os.tokens.keys import KeyRing, KeysUnavailableError, pinned, ring
from agentos.os.tokens.keys.remote import LONGEST_DOCUMENT, discovered, good_for, jwks_url
from agentos.os.tokens.verify import Verifier
from tests.flows.processes import free_port
from tests.os.tokens.provider import DISCOVERY, JWKS, SigningKey, identity_provider
from tests.os.tokens.signer import SECRET, token
from tests.os.tokens.test_keys import RSA, jwk

ALGORITHMS = ["ES256", "RS256"]


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


def verifier(keys, *static) -> Verifier:
    return Verifier(KeyRing(static, keys), AuthSettings())


async def accepts(verifier: Verifier, text: str) -> bool:
    try:
        await verifier.verify(text)
    except TokenError:
        return False
    return True


async def test_keys_come_from_the_address_or_by_discovery(provider):
    key, other = SigningKey(), SigningKey()
    provider.publish(key)
    for keys in (jwks_url(provider.jwks_url, ALGORITHMS), discovered(provider.issuer, ALGORITHMS)):
        tokens = verifier(keys)
        assert await accepts(tokens, key.token())
        assert not await accepts(tokens, other.token())
        assert not await accepts(tokens, other.token(kid=key.kid))


async def test_an_issuer_may_end_in_a_slash(provider):
    key, issuer = SigningKey(), provider.issuer + "/"
    provider.publish(key)
    provider.serve(DISCOVERY, {"issuer": issuer, "jwks_uri": provider.jwks_url})
    assert await accepts(verifier(discovered(issuer, ALGORITHMS)), key.token())


NONSENSE = {
    "an error": {"document": "", "status": 500},
    "not found": {"document": "", "status": 404},
    "no content": {"document": "", "status": 204},
    "a redirect": {"document": "", "status": 302, "headers": {"location": "/elsewhere"}},
    "a page": {"document": "<!doctype html><title>Sign in</title>"},
    "nothing": {"document": ""},
    "half": {"document": '{"keys": [{"kty": "RS'},
    "a text": {"document": '"keys"'},
    "a number": {"document": "5"},
    "a list": {"document": "[]"},
    "no keys": {"document": {"keys": []}},
    "keys of another type": {"document": {"keys": "all"}},
    "null": {"document": {"keys": None}},
    "an odd key": {"document": {"keys": [5]}},
    "an empty key": {"document": {"keys": [{}]}},
    "wrongly typed parts": {
        "document": {
            "keys": [
                {"kty": kty, "kid": "x", "crv": crv, "n": part, "e": part, "x": part, "y": part, "k": part}
                for kty in ("RSA", "EC", "OKP", "oct", 5, None, [])
                for crv in ("P-256", "Ed25519", [], None)
                for part in ("", "AA", "é", "!!", 5, None, [], {}, -1.5)
            ]
        }
    },
    "deep": {"document": "[" * 50_000},
    "huge": {"document": '{"keys": [' + " " * LONGEST_DOCUMENT + "]}"},
    "a huge number": {"document": '{"keys": ' + "9" * 10_000 + "}"},
    "compressed": {"document": '{"keys": []}', "headers": {"content-encoding": "gzip"}},
    "a secret": {"document": {"keys": [{"kty": "oct", "kid": "x", "k": "c2VjcmV0" * 10, "alg": "HS256"}]}},
    "silence": {"document": '{"keys": []}', "hold": -1},
    "a silence in the middle": {"document": '{"keys": []}', "hold": 5},
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("path", [JWKS, DISCOVERY])
async def test_nonsense_changes_nothing_and_opens_nothing(provider, name, path, caplog):
    key, other = SigningKey(), SigningKey()
    provider.publish(key)
    used = verifier(discovered(provider.issuer, ALGORITHMS, fetch_seconds=10, cool_down=0))
    assert await accepts(used, key.token())
    provider.serve(path, **NONSENSE[name])
    hurried = discovered(provider.issuer, ALGORITHMS, fetch_seconds=0.2, cool_down=0)
    fresh = verifier(hurried)
    with pytest.raises(KeysUnavailableError):
        await fresh.verify(key.token())
    assert provider.issuer not in caplog.text
    if "hold" not in NONSENSE[name]:
        assert not await accepts(used, other.token())
    assert await accepts(used, key.token())
    provider.serve(DISCOVERY, {"issuer": provider.issuer, "jwks_uri": provider.jwks_url})
    provider.publish(other)
    assert await accepts(used, other.token())
    assert not await accepts(used, key.token())


@pytest.mark.parametrize("hold", [-1, 5])
async def test_a_slow_provider_costs_those_nothing_whose_key_is_here(provider, hold):
    key, other = SigningKey(), SigningKey()
    provider.publish(key)
    keys = jwks_url(provider.jwks_url, ALGORITHMS, fetch_seconds=30)
    tokens = verifier(keys)
    async with keys.open():
        assert await accepts(tokens, key.token())
        provider.publish(key, other, hold=hold)
        waiting = asyncio.create_task(accepts(tokens, other.token()))
        await asyncio.sleep(0)
        assert await accepts(tokens, key.token())
        assert not waiting.done()
        await asyncio.to_thread(provider.publish, key, other)
        assert await waiting


async def test_a_provider_that_is_down_is_asked_again(provider):
    key, port = SigningKey(), free_port()
    keys = jwks_url(f"http://127.0.0.1:{port}/keys", ALGORITHMS, cool_down=0)
    with pytest.raises(KeysUnavailableError):
        await verifier(keys).verify(key.token())
    provider.publish(key)
    up = await asyncio.start_server(_forward(provider), "127.0.0.1", port, family=socket.AF_INET)
    async with up:
        assert await accepts(verifier(keys), key.token())
    assert await accepts(verifier(keys), key.token())


def _forward(provider):
    """Connects whoever comes with the provider."""

    async def connected(reader, writer):
        near = await asyncio.open_connection("127.0.0.1", int(provider.issuer.rpartition(":")[2]))
        near[1].write(await reader.readuntil(b"\r\n\r\n"))
        writer.write(await near[0].read())
        for each in (writer, near[1]):
            each.close()

    return connected


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://elsewhere.example", "jwks_uri": "{jwks}"},
        {"issuer": "{issuer}/", "jwks_uri": "{jwks}"},
        {"jwks_uri": "{jwks}"},
        {"issuer": "{issuer}"},
        {"issuer": ["{issuer}"], "jwks_uri": "{jwks}"},
        {"issuer": "{issuer}", "jwks_uri": ["{jwks}"]},
        {"issuer": "{issuer}", "jwks_uri": "/keys"},
        {"issuer": "{issuer}", "jwks_uri": "http://idp.example/keys"},
        {"issuer": "{issuer}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{issuer}", "jwks_uri": "http://127.0.0.1\\@idp.example/keys"},
        {"issuer": "{issuer}", "jwks_uri": "http://[::1/keys"},
    ],
)
async def test_discovery_must_be_the_issuers_own_and_lead_to_a_safe_place(provider, document):
    key = SigningKey()
    provider.publish(key)
    before = provider.fetches
    text = str(document).replace("'", '"').replace("{issuer}", provider.issuer)
    provider.serve(DISCOVERY, text.replace("{jwks}", provider.jwks_url))
    with pytest.raises(KeysUnavailableError):
        await verifier(discovered(provider.issuer, ALGORITHMS)).verify(key.token())
    assert provider.fetches == before


async def test_keys_that_must_not_be_used_are_left_out(provider, caplog):
    key, weak = SigningKey(), rsa.generate_private_key(65537, 1024).public_key()
    algorithm = jwt.get_algorithm_by_name("RS256")
    unfit = {
        "private": {**algorithm.to_jwk(RSA, as_dict=True), "key_ops": ["verify"]},
        "weak": algorithm.to_jwk(weak, as_dict=True),
        "encrypting": jwk(RSA, use="enc"),
    }
    named = [{**published, "kid": kid} for kid, published in unfit.items()]
    provider.serve(JWKS, {"keys": [*named, key.jwk]})
    keys = jwks_url(provider.jwks_url, ALGORITHMS)
    assert [len(await keys.for_token(kid)) for kid in (*unfit, key.kid)] == [0, 0, 0, 1]
    assert "2048" in caplog.text
    assert "public half" in caplog.text


async def test_a_published_key_is_never_a_secret(provider):
    published = {"kty": "oct", "kid": "x", "k": "c2VjcmV0" * 10}
    provider.serve(JWKS, {"keys": [published, SigningKey().jwk]})
    both = ring([SECRET], None, pinned(["HS256", "ES256"]), jwks_url=provider.jwks_url)
    tokens = Verifier(both, AuthSettings())
    assert await accepts(tokens, token())
    assert not await accepts(tokens, token(key="secret" * 10, headers={"kid": "x"}))


async def test_a_given_key_verifies_while_none_can_be_fetched():
    both = ring([SECRET], None, pinned(["HS256", "ES256"]), jwks_url=f"http://127.0.0.1:{free_port()}/keys")
    tokens = Verifier(both, AuthSettings())
    assert await accepts(tokens, token())
    with pytest.raises(KeysUnavailableError):
        await tokens.verify(SigningKey().token())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 300),
        ("no-store", 300),
        ("max-age=0", 300),
        ("public, max-age=3600, must-revalidate", 3600),
        ("Max-Age=3600", 3600),
        ("s-maxage=9999", 300),
        ("max-age=31536000", 86400),
        ("max-age=99999999999999999999", 300),
        ("max-age=-1", 300),
        ("max-age=soon", 300),
    ],
)
def test_keys_are_good_for_five_minutes_to_a_day(header, seconds):
    assert good_for(header) == seconds


@pytest.mark.parametrize(
    "address",
    [
        "",
        "keys",
        "idp.example/keys",
        "http://idp.example/keys",
        "http://10.0.0.1/keys",
        "http://127.0.0.1.idp.example/keys",
        "http://localhost.idp.example/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "https://",
        "https:///keys",
        "https://idp.example:port/keys",
        "https://user:password@idp.example/keys",
        "https://idp.example/keys#first",
        "https://idp.example/ keys",
        "https://idp.example\\@elsewhere.example/keys",
        "https://idp.exämple/keys",
        "http://[::1/keys",
    ],
)
def test_an_address_that_cant_be_trusted_is_refused_at_start(address):
    with pytest.raises(ConfigurationError, match="jwks_url") as caught:
        ring(None, None, pinned("RS256"), jwks_url=address)
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://idp.example/keys",
        "https://idp.example:8443/keys?tenant=a",
        "http://localhost:8080/keys",
        "http://127.0.0.2/keys",
        "http://[::1]:8080/keys",
    ],
)
def test_tls_or_this_very_machine_will_do(address):
    assert ring(None, None, pinned("RS256"), jwks_url=address).jwks
    assert ring(None, None, pinned("RS256"), issuer=address.partition("?")[0]).jwks


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"jwks_file": "keys.json", "jwks_url": "https://idp.example/keys"}, "jwks_file and jwks_url"),
        ({"jwks_url": "https://idp.example/keys", "algorithm": "HS256"}, "algorithm='HS256'"),
        ({"issuer": "https://idp.example", "algorithm": "HS256"}, "algorithm='HS256'"),
        ({"issuer": "https://idp.example/?tenant=a"}, "issuer"),
        ({"issuer": "my-issuer"}, "issuer"),
        ({"issuer": "http://idp.example"}, "issuer"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_at_start(options, named):
    options = {"jwks_file": None, "algorithm": "RS256", **options}
    with pytest.raises(ConfigurationError, match=named):
        ring(None, options.pop("jwks_file"), pinned(options.pop("algorithm")), **options)


def test_an_issuer_is_only_asked_for_keys_where_none_are_given(monkeypatch):
    assert ring([SECRET], None, pinned("HS256"), issuer="https://idp.example").jwks is None
    monkeypatch.setenv("JWT_VERIFICATION_KEY", SECRET)
    assert ring(None, None, pinned("HS256"), issuer="https://idp.example").jwks is None
