"""Keys as they are configured: what works, what is refused at start, and how a JWKS file is used."""

import asyncio
import json
import logging
import os
import threading

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from agentos.errors import ConfigurationError
from agentos.os.auth_settings import AuthSettings
from agentos.os.tokens.claims import TokenError
from agentos.os.tokens.keys import KeyRing, pinned, ring
from agentos.os.tokens.keys.ring import file_keys
from agentos.os.tokens.verify import Verifier
from tests.os.tokens.signer import SECRET, token

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(autouse=True)
def no_keys_from_outside(monkeypatch):
    monkeypatch.delenv("JWT_VERIFICATION_KEY", raising=False)
    monkeypatch.delenv("JWT_JWKS_FILE", raising=False)


def public(key) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private(key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def jwk(key, **more):
    algorithm = {RSA: "RS256", OTHER_RSA: "RS256", EC: "ES256", ED: "EdDSA"}[key]
    return {**json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key())), **more}


@pytest.fixture
def jwks_file(tmp_path):
    path = tmp_path / "jwks.json"

    def write(*keys):
        path.write_text(json.dumps({"keys": keys}))
        return path

    return write


async def accepts(keys: KeyRing, text: str) -> bool:
    try:
        await Verifier(keys, AuthSettings()).verify(text)
    except TokenError:
        return False
    return True


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (SECRET, "HS256"),
        (SECRET.encode(), "HS256"),
        (public(RSA), "RS256"),
        (public(RSA).encode(), "PS512"),
        (public(RSA).replace("\n", "\\n"), "RS256"),
        (public(EC), "ES256"),
        (public(ED), "EdDSA"),
    ],
)
def test_a_key_goes_with_its_own_family(key, algorithm):
    assert ring([key], None, pinned(algorithm))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (public(RSA), "HS256"),
        (public(EC), "HS512"),
        (json.dumps(jwk(RSA)), "HS256"),
        (SECRET, "RS256"),
        (SECRET, "EdDSA"),
        ("***", "RS256"),
        (public(EC), "RS256"),
        (public(RSA), "ES256"),
        (public(EC), "ES384"),
        (public(EC), "EdDSA"),
        (public(ED), "PS256"),
        ("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----", "RS256"),
    ],
)
def test_a_key_of_another_family_is_refused_at_start(key, algorithm):
    with pytest.raises(ConfigurationError) as caught:
        ring([key], None, pinned(algorithm))
    assert "verification_keys[0]" in str(caught.value)
    assert algorithm in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.parametrize("key", [RSA, EC, ED])
def test_a_private_key_has_no_place_here(key):
    algorithms = pinned(["RS256", "ES256", "EdDSA"])
    with pytest.raises(ConfigurationError, match="public half"):
        ring([private(key)], None, algorithms)
    assert ring([public(key)], None, algorithms)


@pytest.mark.parametrize("keys", [None, [], [""], [None], "a plain text instead of a list", b"bytes"])
def test_no_key_is_a_mistake(keys):
    with pytest.raises(ConfigurationError, match="verification_keys"):
        ring(keys, None, pinned("HS256"))


@pytest.mark.parametrize("algorithm", ["none", "", "HS257", "hs256", "ES256K", [], ["HS256", "none"]])
def test_an_unknown_algorithm_is_a_mistake(algorithm):
    with pytest.raises(ConfigurationError, match="algorithm"):
        pinned(algorithm)


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_shorter_than_its_hash_warns_or_is_refused(algorithm, size, caplog):
    ring(["x" * size], None, pinned(algorithm), strict=True)
    assert not caplog.records
    ring(["x" * (size - 1)], None, pinned(algorithm))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with pytest.raises(ConfigurationError, match=str(size)):
        ring(["x" * (size - 1)], None, pinned(algorithm), strict=True)


def test_a_weak_rsa_key_is_refused():
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ConfigurationError, match="2048"):
        ring([public(weak)], None, pinned("RS256"))


async def test_the_environment_stands_in_for_keys_that_are_left_out(monkeypatch, jwks_file):
    monkeypatch.setenv("JWT_VERIFICATION_KEY", SECRET)
    assert await accepts(ring(None, None, pinned("HS256")), token())
    own = ring(["x" * 40], None, pinned("HS256"))
    assert not await accepts(own, token())
    monkeypatch.setenv("JWT_JWKS_FILE", str(jwks_file(jwk(RSA, kid="a"))))
    both = ring(None, None, pinned(["HS256", "RS256"]))
    assert await accepts(both, token())
    assert await accepts(both, token(key=RSA, algorithm="RS256", headers={"kid": "a"}))


async def test_a_jwks_key_is_chosen_by_its_kid(jwks_file):
    keys = ring(None, jwks_file(jwk(RSA, kid="a"), jwk(OTHER_RSA, kid="b")), pinned("RS256"))
    assert await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "a"}))
    assert await accepts(keys, token(key=OTHER_RSA, algorithm="RS256", headers={"kid": "b"}))
    assert not await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "b"}))
    assert not await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "c"}))
    assert not await accepts(keys, token(key=RSA, algorithm="RS256"))


async def test_a_jwk_without_a_kid_is_for_any_token(jwks_file):
    keys = ring([public(OTHER_RSA)], jwks_file(jwk(RSA)), pinned("RS256"))
    for headers in (None, {"kid": "whatever"}):
        assert await accepts(keys, token(key=RSA, algorithm="RS256", headers=headers))
        assert await accepts(keys, token(key=OTHER_RSA, algorithm="RS256", headers=headers))


async def test_a_jwk_keeps_to_its_own_algorithm(jwks_file):
    keys = ring(None, jwks_file(jwk(RSA, kid="a", alg="RS512")), pinned(["RS256", "RS512"]))
    assert await accepts(keys, token(key=RSA, algorithm="RS512", headers={"kid": "a"}))
    assert not await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "a"}))


async def test_a_jwks_may_hold_other_families_and_uses(jwks_file):
    path = jwks_file(
        jwk(EC, kid="ec"),
        jwk(OTHER_RSA, kid="enc", use="enc"),
        jwk(OTHER_RSA, kid="ops", key_ops=["encrypt"]),
        jwk(OTHER_RSA, kid=5),
        {"kty": "unheard-of", "kid": "x"},
        {"kty": "RSA", "kid": "y"},
        jwk(RSA, kid="a", use="sig", key_ops=["verify"]),
    )
    keys = ring(None, path, pinned("RS256"))
    assert await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "a"}))
    for kid in ("enc", "ops", "ec", "x", "y"):
        assert not await accepts(keys, token(key=OTHER_RSA, algorithm="RS256", headers={"kid": kid}))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"keys": 5}',
        '{"keys": [5]}',
        '{"keys": []}',
        '{"keys": [{}]}',
        "[" * 5000,
        None,
    ],
)
def test_a_jwks_file_that_cant_work_is_refused_at_start(content, tmp_path):
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match="jwks_file") as caught:
        ring(None, path, pinned("RS256"))
    assert str(tmp_path) not in str(caught.value)


def test_a_jwks_file_with_private_keys_is_refused(jwks_file):
    with_private = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(RSA))
    with pytest.raises(ConfigurationError, match="public half"):
        ring(None, jwks_file({**with_private, "key_ops": ["verify"]}), pinned("RS256"))


async def test_an_unknown_kid_is_looked_up_again_after_the_cool_down(jwks_file):
    path = jwks_file(jwk(RSA, kid="old"))
    patient = KeyRing((), file_keys(path, ["RS256"], cool_down=3600))
    eager = KeyRing((), file_keys(path, ["RS256"], cool_down=0))
    old = token(key=RSA, algorithm="RS256", headers={"kid": "old"})
    new = token(key=OTHER_RSA, algorithm="RS256", headers={"kid": "new"})
    assert not await accepts(patient, new)
    jwks_file(jwk(OTHER_RSA, kid="new"))
    assert not await accepts(patient, new)
    assert await accepts(patient, old)
    assert await accepts(eager, new)
    assert not await accepts(eager, old)


async def test_a_jwks_file_that_breaks_later_changes_nothing(jwks_file, caplog):
    path = jwks_file(jwk(RSA, kid="old"))
    keys = KeyRing((), file_keys(path, ["RS256"], cool_down=0))
    path.write_text("half a fi")
    assert not await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "new"}))
    assert await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "old"}))
    assert str(path) not in caplog.text
    assert "JWKS" in caplog.text


async def test_a_slow_jwks_file_doesnt_stop_the_loop(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [jwk(RSA, kid="old")]}))
    keys = KeyRing((), file_keys(path, ["RS256"]))
    path.unlink()
    os.mkfifo(path)
    released = threading.Event()

    def write() -> bool:
        in_time = released.wait(5)
        path.write_text(json.dumps({"keys": [jwk(RSA, kid="new")]}))
        return in_time

    writing = asyncio.create_task(asyncio.to_thread(write))
    reading = asyncio.create_task(accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "new"})))
    await asyncio.sleep(0)
    assert await accepts(keys, token(key=RSA, algorithm="RS256", headers={"kid": "old"}))
    released.set()
    assert await writing
    assert await reading
