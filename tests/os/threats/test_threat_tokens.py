"""Tokens that nobody issued, and tokens that weren't issued for this."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.os.threats import careless, forged_tokens
from tests.os.threats.careless import believing, not_looking_at
from tests.os.threats.forged_tokens import claims, encoded, forged, signed, strangers, token, with_secret
from tests.os.threats.threat import Threat, every, stands

READ = "agents:read"


def lets_in(text):
    return lambda world: world.ask("GET", "/agents", text).is_granted


def rows(weakness, table, *, twin=None):
    """Threats from a table of tokens."""
    right = lets_in(twin or token(READ))
    return [Threat(name, lets_in(text), right, weakness) for name, text in table.items()]


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, forged_tokens._STRANGERS.public_key(), 1, now, now + timedelta(1)
    )
    return builder.sign(forged_tokens._STRANGERS, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


CERTIFICATE = b64encode(certificate()).decode()
STRANGERS_SET = json.dumps({"keys": [forged_tokens.STRANGERS_JWK]})
OCTETS = {"kty": "oct", "k": encoded(b"the attacker's own")}


def by_strangers(**header):
    return forged({"kid": "strangers", **header}, claims(READ), strangers)


def by_secret(secret, **header):
    return forged({"alg": "HS256", **header}, claims(READ), with_secret(secret))


UNSIGNED = rows(
    believing(careless.taking_unsigned),
    {
        f"alg {alg!r} with {what}": forged({"alg": alg}, claims(READ), sign)
        for alg in ("none", "None", "NONE", "nOnE", " none", "none ", "", ["none"], 0)
        for what, sign in (("no signature", None), ("another's signature", strangers))
    }
    | {"no kid and alg none": forged({"alg": "none", "kid": ...}, claims(READ), None)},
)

CONFUSED = rows(
    believing(careless.knowing_no_kinds_of_keys),
    {
        f"{alg} with the public key, spelled {index}": forged(
            {"alg": alg}, claims(READ), with_secret(key, hash_)
        )
        for index, key in enumerate(careless.spelled_out())
        for alg, hash_ in [("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")][
            : 3 if index < 2 else 1
        ]
    },
)

BRINGING_A_KEY = rows(
    believing(careless.taking_the_tokens_own_key),
    {
        "jwk": by_strangers(jwk=forged_tokens.STRANGERS_JWK),
        "jwk under the trusted kid": by_strangers(jwk=forged_tokens.STRANGERS_JWK, kid=forged_tokens.KID),
        "jwk with a secret": by_secret(b"the attacker's own", jwk=OCTETS),
        "jku": by_strangers(jku=f"data:application/json,{quote(STRANGERS_SET)}"),
        "x5c": by_strangers(x5c=[CERTIFICATE]),
        "x5u": by_strangers(x5u=f"data:text/plain,{quote(CERTIFICATE)}"),
    },
)

NAMING_A_KEY = [
    *rows(
        believing(careless.looking_kid_up_in_files),
        {
            f"kid {kid!r}": by_secret(b"", kid=kid)
            for kid in (
                "/dev/null",
                "../" * 20 + "dev/null",
                "/dev/null\0.pem",
                "x/../../../../../../../../dev/null",
            )
        },
    ),
    *rows(
        believing(careless.looking_kid_up_in_tables),
        {
            f"kid {kid!r}": by_secret(b"mine", kid=kid)
            for kid in (
                "' UNION SELECT 'mine' --",
                "x' UNION SELECT 'mi'||'ne",
                "nobody' UNION ALL SELECT 'mine';--",
            )
        },
    ),
    *rows(
        believing(careless.ignoring_signatures),
        {
            f"kid {str(kid)[:20]!r}": by_strangers(kid=kid)
            for kid in (..., "", None, 0, True, ["current"], {"$ne": ""}, "current\0", "CURRENT", "k" * 5000)
        },
    ),
]

EXTENDED = rows(
    believing(careless.ignoring_the_header),
    {
        f"header {extra}": forged(extra, claims(READ), signed)
        for extra in (
            {"crit": ["exp"]},
            {"crit": ["unheard-of"], "unheard-of": True},
            {"crit": []},
            {"crit": "b64"},
            {"crit": None},
            {"b64": False},
            {"b64": False, "crit": ["b64"]},
            {"alg": ...},
            {"alg": "RS384"},
            {"alg": "PS256"},
            {"alg": "rs256"},
            {"alg": "RS256\0"},
        )
    },
)

GOOD = token(READ)
HEAD, BODY, SIGNATURE = GOOD.split(".")
OTHER_HEAD = encoded(b'{"alg": "RS256", "kid": "current"}')
OTHER_BODY = encoded(json.dumps(claims(READ, "agent_os:admin")).encode())

UNPROVEN = rows(
    believing(careless.ignoring_signatures),
    {
        "a stranger's key under the trusted kid": by_strangers(kid=forged_tokens.KID),
        "a payload that was changed": f"{HEAD}.{OTHER_BODY}.{SIGNATURE}",
        "the signature of another token": f"{HEAD}.{BODY}.{token(READ, 'x:y').split('.')[2]}",
        "an empty signature": f"{HEAD}.{BODY}.",
        "no third part": f"{HEAD}.{BODY}",
        "half a signature": f"{HEAD}.{BODY}.{SIGNATURE[: len(SIGNATURE) // 2]}",
        "a signature of zeros": f"{HEAD}.{BODY}.{encoded(bytes(256))}",
        "a header that was changed": f"{OTHER_HEAD}.{BODY}.{SIGNATURE}",
        "four parts": f"{GOOD}.{BODY}",
        "five parts, as of a JWE": f"{HEAD}.{BODY}.{SIGNATURE}.{BODY}.{SIGNATURE}",
    },
)

UNTIDY = rows(
    believing(careless.tidying_up),
    {
        "a full stop behind": f"{GOOD}.",
        "a full stop before": f".{GOOD}",
        "something behind a NUL": f"{GOOD}%00",
        "a line break spelled out": f"{GOOD}%0a",
        "quotes": f'"{GOOD}"',
        "angle brackets": f"<{GOOD}>",
        "a comma behind": f"{GOOD},",
        "a semicolon behind": f"{GOOD};",
    },
)

STRANGE_PAYLOADS = rows(
    careless.reading_any_json,
    {
        name: forged({}, payload, signed)
        for name, payload in {
            "a list": [claims(READ)],
            "a text": READ,
            "nothing": b"",
            "null": None,
            "half of it": json.dumps(claims(READ)).encode()[:-1],
            "something behind it": json.dumps(claims(READ)).encode() + b"{}",
            "a token in a token": token(READ),
            "a text that holds a token": json.dumps(token(READ)).encode(),
            "depth": b'{"sub":' + b"[" * 3000 + b"]" * 3000 + b"}",
            "UTF-16": json.dumps(claims(READ)).encode("utf-16-be")[:-3],
            "no UTF-8": b'{"sub": "\xff\xfe"}',
            "a number without end": b'{"exp": ' + b"9" * 5000 + b"}",
        }.items()
    },
)

TIMES = [
    (f"{claim} {str(value)[:20]}", {claim: value})
    for claim, values in {
        "exp": [1, 1_700_000_000, -1, 0, ..., None, True, "9999999999", [9999999999], {}, float("nan"),
                float("inf"), float("-inf")],
        "nbf": [4_000_000_000, "0", None, float("nan"), True],
        "iat": [4_000_000_000, "0", [], float("inf")],
    }.items()
    for value in values
]  # fmt: skip
AUDIENCES = [
    (f"aud {value!r}", {"aud": value})
    for value in (..., None, "", "another-os", [], ["another-os"], {"threatened-os": 1}, ["threatened-os", 1],
                  "Threatened-OS", "threatened-os ", "threatened-os,another", [["threatened-os"]], "*")
]  # fmt: skip
ISSUERS = [
    (f"iss {value!r}", {"iss": value})
    for value in (..., None, "", "https://issuer.example/", "https://issuer.example.evil", "HTTPS://ISSUER.EXAMPLE",
                  ["https://issuer.example"], "https://issuer.example\0")
]  # fmt: skip
SUBJECTS = [
    (f"sub {str(value)[:20]!r}", {"sub": value})
    for value in (["bob"], {"id": "bob"}, 7, True, 1.5, None, "sa:deploy", "sa:", "__system__", "____",
                  "bob\0", "bob\nadmin", "b" * 256, "\ud800", "bob\x7f")
]  # fmt: skip

MISMADE = [
    threat
    for check, table in {
        not_looking_at("exp", "nbf", "iat"): TIMES,
        not_looking_at("aud"): AUDIENCES,
        not_looking_at("iss"): ISSUERS,
        careless.taking_any_subject: SUBJECTS,
    }.items()
    for threat in rows(check, {name: forged({}, claims(READ, **changed), signed) for name, changed in table})
]


@every(UNSIGNED)
def test_a_token_cant_say_that_it_needs_no_signature(world, threat):
    stands(world, threat)


@every(CONFUSED)
def test_a_public_key_is_no_secret(world, threat):
    stands(world, threat)


@every(BRINGING_A_KEY)
def test_a_token_cant_bring_its_key(world, threat):
    stands(world, threat)


@every(NAMING_A_KEY)
def test_a_token_names_its_key_and_no_more(world, threat):
    stands(world, threat)


@every(EXTENDED)
def test_a_header_that_changes_how_a_token_is_read_is_refused(world, threat):
    stands(world, threat)


@every(UNPROVEN)
def test_what_isnt_signed_isnt_believed(world, threat):
    stands(world, threat)


@every(UNTIDY)
def test_a_token_is_exactly_a_token(world, threat):
    stands(world, threat)


@every(STRANGE_PAYLOADS)
def test_only_an_object_has_claims(world, threat):
    stands(world, threat)


@every(MISMADE)
def test_a_token_for_something_else_is_refused(world, threat):
    stands(world, threat)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_secret_beside_a_public_key_changes_nothing(world, alg):
    """The site takes RS256 and HS256, each with its own key."""
    from tests.os.threats import raw
    from tests.os.threats.world import SITE_SECRET

    def status(text):
        sent = raw.request("GET", "/agents", [("Authorization", f"Bearer {text}")])
        return raw.exchange(world.site.port, sent).status

    for key in careless.spelled_out():
        assert status(forged({"alg": alg}, claims(READ), with_secret(key, f"sha{alg[2:]}"))) == 401
    assert status(forged({"alg": "HS256"}, claims(READ), with_secret(SITE_SECRET.encode()))) == 200
    assert status(token(READ)) == 200
