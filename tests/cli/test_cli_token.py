"""`agentos token` makes tokens and tells what one says."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path

import jwt
import pytest

from agentos.utils.cryptography import generate_rsa_keys
from tests.cli.commands import Called, agentos

SECRET = "a secret that is long enough for every hash there is, SHA-512 too, by far"
NESTED = ".".join(urlsafe_b64encode(part).decode() for part in (b'{"alg":"HS256"}', b"[" * 99_999, b"x"))
SIGNING, CHECKING = {"JWT_SIGNING_KEY": SECRET}, {"JWT_VERIFICATION_KEY": SECRET}


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    return generate_rsa_keys()


def mint(*options: str, env: dict[str, str] | None = None) -> Called:
    return agentos("token", "mint", "--sub", "alice", *options, env=SIGNING if env is None else env)


def claims(minted: Called) -> dict:
    return jwt.decode(minted.output.strip(), options={"verify_signature": False})


def signed(**payload: object) -> str:
    return jwt.encode(payload, SECRET, algorithm="HS256")


def test_a_token_says_what_was_asked_for():
    minted = mint("--scopes", "agents:read agents:run", "--ttl", "2h", "--aud", "my-os")
    found = jwt.decode(minted.output.strip(), SECRET, algorithms=["HS256"], audience="my-os")
    assert (found["sub"], found["scopes"]) == ("alice", ["agents:read", "agents:run"])
    assert found["exp"] - found["iat"] == 2 * 3600
    assert found["jti"] != claims(mint())["jti"]


def test_without_an_audience_there_is_none():
    assert "aud" not in claims(mint())


@pytest.mark.parametrize(("ttl", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("7d", 604800)])
def test_a_duration_is_a_number_and_a_unit(ttl: str, seconds: int):
    found = claims(mint("--ttl", ttl))
    assert found["exp"] - found["iat"] == seconds


@pytest.mark.parametrize("ttl", ["", "h", "1", "1w", "-1h", "0h", "1.5h", "1h30m", "9999999d"])
def test_anything_else_is_refused(ttl: str):
    assert "ttl" in mint("--ttl", ttl).refusal


def test_the_algorithm_is_the_usual_one_for_the_key(pair: tuple[str, str]):
    private, _ = pair
    for key, algorithm in (SECRET, "HS256"), (private, "RS256"), (private.replace("\n", "\\n"), "RS256"):
        minted = mint(env={"JWT_SIGNING_KEY": key})
        assert jwt.get_unverified_header(minted.output.strip())["alg"] == algorithm


def test_another_algorithm_of_the_keys_family_may_be_chosen(pair: tuple[str, str]):
    for key, algorithm in (SECRET, "HS512"), (pair[0], "PS256"):
        minted = mint("--algorithm", algorithm, env={"JWT_SIGNING_KEY": key})
        assert jwt.get_unverified_header(minted.output.strip())["alg"] == algorithm


def test_a_key_of_another_family_is_refused(pair: tuple[str, str]):
    for key, algorithm in (SECRET, "RS256"), (pair[0], "HS256"), (SECRET, "none"), (SECRET, "hs256"):
        refusal = mint("--algorithm", algorithm, env={"JWT_SIGNING_KEY": key}).refusal
        assert "doesn't go with this key" in refusal


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "No signing key"),
        ("short", "too short for HS256"),
        ("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----", "can't be read"),
    ],
)
def test_a_key_that_cant_sign_is_refused(key: str, sentence: str):
    called = mint(env={"JWT_SIGNING_KEY": key})
    assert sentence in called.refusal
    assert "nonsense" not in called.refusal


def test_a_public_key_signs_nothing(pair: tuple[str, str]):
    assert "is a public one" in mint(env={"JWT_SIGNING_KEY": pair[1]}).refusal


def test_a_key_may_come_from_a_file(tmp_path: Path):
    (tmp_path / "key").write_text(f"{SECRET}\n")
    minted = mint("--key-file", str(tmp_path / "key"), env={})
    jwt.decode(minted.output.strip(), SECRET, algorithms=["HS256"])
    assert "can't be read" in mint("--key-file", str(tmp_path / "other"), env={}).refusal


def test_inspecting_shows_claims_and_says_that_nothing_was_verified():
    called = agentos("token", "inspect", mint("--ttl", "2h", "--scopes", "a:b").output.strip())
    assert called.status == 0
    for line in "sub: alice", 'scopes: ["a:b"]', "UTC, in 2 hours)", "signature not verified":
        assert line in called.output


def test_with_the_key_a_signature_is_verified_or_wrong():
    token = mint().output.strip()
    right = agentos("token", "inspect", token, env=CHECKING)
    wrong = agentos("token", "inspect", token, env={"JWT_VERIFICATION_KEY": SECRET[1:]})
    assert (right.status, wrong.status) == (0, 1)
    assert "signature verified" in right.output
    assert "signature WRONG" in wrong.output


def test_a_secret_isnt_taken_from_a_public_key(pair: tuple[str, str]):
    private, public = pair
    good = mint(env={"JWT_SIGNING_KEY": private}).output.strip()
    head, body, _ = good.split(".")
    unsigned = f"{head}.{body}."
    assert agentos("token", "inspect", good, env={"JWT_VERIFICATION_KEY": public}).status == 0
    assert agentos("token", "inspect", unsigned, env={"JWT_VERIFICATION_KEY": public}).status == 1


@pytest.mark.parametrize(("name", "hours"), [("exp", -49), ("nbf", 49)])
def test_a_token_that_isnt_valid_now_is_status_1(name: str, hours: int):
    called = agentos("token", "inspect", signed(**{name: int(time.time()) + hours * 3600}), env=CHECKING)
    assert called.status == 1
    assert "signature verified" in called.output
    assert ("2 days ago" if hours < 0 else "in 2 days") in called.output


def test_a_token_comes_through_standard_input_and_stays_out_of_the_history():
    assert "sub: alice" in agentos("token", "inspect", "-", stdin=mint().output).output


def test_claims_cant_steer_the_terminal():
    called = agentos("token", "inspect", signed(sub="\x1b[2J\u202e", **{"\x1b]0;x\x07": 1}))
    assert "\x1b" not in called.output
    assert "\u202e" not in called.output
    assert r"\u001b[2J" in called.output


@pytest.mark.parametrize("exp", [True, "soon", 1e300, None, [1]])
def test_an_expiry_that_is_no_time_is_shown_as_it_is_and_is_not_valid(exp: object):
    called = agentos("token", "inspect", signed(sub="a", exp=exp))
    assert f"exp: {json.dumps(exp) if exp != 'soon' else exp}\n" in called.output
    assert called.status == 1


@pytest.mark.parametrize("text", ["", "x", "a.b.c", NESTED])
def test_what_isnt_a_token_is_refused(text: str):
    assert "isn't a JSON web token" in agentos("token", "inspect", text).refusal
