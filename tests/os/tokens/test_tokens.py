"""Tokens, honest and forged, against keys of every family."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from agentos.os.auth_settings import AuthSettings
from agentos.os.tokens.claims import TokenError
from agentos.os.tokens.keys import pinned, ring
from agentos.os.tokens.verify import LONGEST_TOKEN, Verifier
from tests.os.tokens.signer import OTHER_SECRET, SECRET, token

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
PAIRS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    **{name: ec.generate_private_key(curve) for name, curve in CURVES.items()},
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public(private) -> str:
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def verifier(*keys, algorithm="HS256", jwks_file=None, **expected) -> Verifier:
    return Verifier(ring(keys, jwks_file, pinned(algorithm)), AuthSettings(**expected))


HMAC = verifier(SECRET)


async def refusal(given_: Verifier, text: str) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await given_.verify(text)
    return caught.value


def part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hmac_signed(header, payload, secret: str) -> str:
    head = f"{part(header)}.{part(payload)}"
    signature = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_secrets_verify_their_own_signatures_only(algorithm):
    given_ = verifier(SECRET, algorithm=algorithm)
    principal = await given_.verify(token("a:b", algorithm=algorithm))
    assert principal.user_id == "alice"
    assert principal.scopes == {"a:b"}
    error = await refusal(given_, token("a:b", key=OTHER_SECRET, algorithm=algorithm))
    assert str(error) == "Invalid token: Signature verification failed"


@pytest.mark.parametrize("algorithm", list(PAIRS))
async def test_public_keys_verify_their_own_signatures_only(algorithm):
    given_ = verifier(public(PAIRS[algorithm]), algorithm=algorithm)
    honest = token("a:b", key=PAIRS[algorithm], algorithm=algorithm)
    assert (await given_.verify(honest)).scopes == {"a:b"}
    head, payload, signature = honest.split(".")
    altered = part({"sub": "mallory", "scopes": ["agent_os:admin"]})
    assert (await refusal(given_, f"{head}.{altered}.{signature}")).code == "invalid_token"
    assert (await refusal(given_, f"{head}.{payload}.")).code == "invalid_token"
    assert (await refusal(given_, f"{head}.{payload}.{signature[:-8]}")).code == "invalid_token"


async def test_ed448_is_an_edwards_curve_too():
    key = ed448.Ed448PrivateKey.generate()
    given_ = verifier(public(key), algorithm="EdDSA")
    assert (await given_.verify(token(key=key, algorithm="EdDSA"))).user_id == "alice"
    assert await refusal(given_, token(key=PAIRS["EdDSA"], algorithm="EdDSA"))


async def test_keys_are_tried_in_order():
    given_ = verifier(public(OTHER_RSA), public(RSA), algorithm="RS256")
    for key in (RSA, OTHER_RSA):
        assert (await given_.verify(token(key=key, algorithm="RS256"))).user_id == "alice"
    stranger = rsa.generate_private_key(65537, 2048)
    assert await refusal(given_, token(key=stranger, algorithm="RS256"))


async def test_several_algorithms_keep_to_the_keys_of_their_family():
    given_ = verifier(SECRET, public(RSA), algorithm=["HS256", "RS256"])
    assert (await given_.verify(token())).user_id == "alice"
    assert (await given_.verify(token(key=RSA, algorithm="RS256"))).user_id == "alice"
    confused = hmac_signed({"alg": "HS256"}, {"sub": "mallory"}, public(RSA))
    assert str(await refusal(given_, confused)) == "Invalid token: Signature verification failed"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", None, ["HS256"], {"HS256": 1}, 256]
)
async def test_the_token_never_chooses_its_algorithm(algorithm):
    payload = part({"sub": "mallory"})
    for header in ({"alg": algorithm, "typ": "JWT"}, {"typ": "JWT"}):
        assert await refusal(HMAC, f"{part(header)}.{payload}.")
        assert await refusal(HMAC, hmac_signed(header, {"sub": "mallory"}, SECRET))


async def test_a_public_key_is_no_secret():
    given_ = verifier(public(RSA), algorithm="RS256")
    for secret in (public(RSA), public(RSA).strip()):
        error = await refusal(given_, hmac_signed({"alg": "HS256"}, {"sub": "mallory"}, secret))
        assert str(error) == "Invalid token: The specified alg value is not allowed"
    assert await refusal(given_, token(key=RSA, algorithm="RS512"))
    assert await refusal(given_, token(key=RSA, algorithm="PS256"))


async def test_keys_that_a_token_brings_along_are_not_used():
    mallory = rsa.generate_private_key(65537, 2048)
    own = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(mallory.public_key()))
    given_ = verifier(public(RSA), algorithm="RS256")
    for headers in (
        {"jwk": own},
        {"jku": "http://127.0.0.1:1/keys.json"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
        {"x5c": ["MIIB"]},
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
    ):
        assert await refusal(given_, token(key=mallory, algorithm="RS256", headers=headers))
        assert (await given_.verify(token(key=RSA, algorithm="RS256", headers=headers))).user_id == "alice"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": "exp"},
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"kid": 5},
        {"kid": None},
    ],
)
async def test_headers_that_change_the_meaning_are_refused(header):
    assert await refusal(HMAC, hmac_signed({"alg": "HS256", **header}, {"sub": "mallory"}, SECRET))
    assert await HMAC.verify(hmac_signed({"alg": "HS256"}, {"sub": "alice"}, SECRET))


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b.c", "a.b", "a" * 20, "eyJhbGciOiJIUzI1NiJ9..", "é.é.é", "\ud800.a.b", "\x00",
     f"{part([])}.{part({})}.x", f"{part(5)}.{part({})}.x", "=.=.=", "a b c"],
)  # fmt: skip
async def test_what_is_no_token_is_refused_without_the_librarys_words(text):
    error = await refusal(HMAC, text)
    assert str(error) in {
        "Invalid token: malformed",
        "Invalid token: The specified alg value is not allowed",
        "Invalid token: Signature verification failed",
    }
    assert error.__cause__ is None


@pytest.mark.parametrize("payload", [[], "text", 5, None, True])
async def test_a_signed_payload_must_be_an_object(payload):
    assert (
        str(await refusal(HMAC, hmac_signed({"alg": "HS256"}, payload, SECRET))) == "Invalid token: malformed"
    )


async def test_signed_payloads_that_break_parsers_are_refused():
    for raw in ("[" * 5000, '{"exp":' + "9" * 5000 + "}", '{"a":', "\ud800", "{" * 10):
        head = (
            f"{part({'alg': 'HS256'})}."
            + base64.urlsafe_b64encode(raw.encode(errors="surrogatepass")).rstrip(b"=").decode()
        )
        signature = hmac.new(SECRET.encode(), head.encode(), hashlib.sha256).digest()
        text = f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        assert str(await refusal(HMAC, text)) == "Invalid token: malformed"


async def test_a_token_may_have_16_kib_and_no_more():
    room = (LONGEST_TOKEN - len(token(padding=""))) * 3 // 4
    texts = [token(padding="x" * size) for size in range(room - 4, room + 5)]
    longest = max((text for text in texts if len(text) <= LONGEST_TOKEN), key=len)
    shortest = min((text for text in texts if len(text) > LONGEST_TOKEN), key=len)
    assert (await HMAC.verify(longest)).user_id == "alice"
    assert str(await refusal(HMAC, shortest)) == "Invalid token: longer than 16 KiB"


async def test_deep_claims_do_no_harm():
    deep: list = []
    for _ in range(400):
        deep = [deep]
    assert (await HMAC.verify(token(deep=deep))).user_id == "alice"


@given(st.text(max_size=200))
async def test_no_text_is_a_token_by_chance(text):
    assert await refusal(HMAC, text)


@given(st.binary(min_size=1, max_size=4), st.integers(0, 10_000))
async def test_no_altered_token_is_accepted(noise, place):
    honest = token("a:b")
    place %= len(honest)
    altered = honest[:place] + noise.decode("latin-1") + honest[place + len(noise) :]
    if altered.rstrip("=") != honest:
        assert await refusal(HMAC, altered)


async def test_a_refused_token_has_a_reference_that_isnt_the_token():
    text = token(key=OTHER_SECRET)
    error = await refusal(HMAC, text)
    assert error.token_ref == hashlib.sha256(text.encode()).hexdigest()[:12]


async def test_time_is_judged_now():
    past = datetime.now(UTC) - timedelta(seconds=30)
    assert (await refusal(HMAC, token(exp=past))).code == "expired_token"
    assert await verifier(SECRET, leeway=60).verify(token(exp=past))
