"""Payloads as a table; the signature is another test's matter."""

import json
import math
from datetime import datetime

import jwt
import pytest

from agentos.os.auth_settings import AuthSettings
from agentos.os.tokens.claims import LONGEST_NAME, TokenError, read
from agentos.os.tokens.keys import KeyRing
from agentos.os.tokens.keys.key import from_setting
from agentos.os.tokens.verify import Verifier
from tests.os.tokens.signer import SECRET

NOW = 1_800_000_000.0
HASH = "0123456789abcdef"
KEY = from_setting(SECRET, ("HS256",), "key", strict=False)


class Stopped(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(NOW, tz)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch):
    """PyJWT asks what time it is, and can't be told."""
    monkeypatch.setattr("jwt.api_jwt.datetime", Stopped)


def principal(claims, **expected):
    settings = AuthSettings(**expected)
    text = jwt.PyJWS().encode(json.dumps(claims).encode(), SECRET, "HS256")
    opened = Verifier(KeyRing([KEY]), settings).opened(text, (KEY,))
    return read(opened, settings, token_hash=HASH)


def refused(claims, **expected) -> TokenError:
    with pytest.raises(TokenError) as caught:
        principal(claims, **expected)
    return caught.value


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scopes": ["a:b", "c:d"]}, {"a:b", "c:d"}),
        ({"scopes": "a:b c:d"}, {"a:b", "c:d"}),
        ({"scopes": " a:b   c:d "}, {"a:b", "c:d"}),
        ({"scope": "a:b c:d"}, {"a:b", "c:d"}),
        ({"scope": ["a:b"]}, {"a:b"}),
        ({"scopes": [], "scope": "a:b"}, set()),
        ({"scopes": None, "scope": "a:b"}, set()),
        ({"scopes": ["a:b", 5]}, set()),
        ({"scopes": ["a:b", ["c:d"]]}, set()),
        ({"scopes": ["a:b", None]}, set()),
        ({"scopes": {"a:b": True}}, set()),
        ({"scopes": 5}, set()),
        ({"scopes": True}, set()),
        ({"scopes": ""}, set()),
        ({"scopes": [""]}, set()),
        ({"scopes": ["a:b c:d"]}, {"a:b c:d"}),
        ({"scopes": ["a:b"] * 3}, {"a:b"}),
        ({}, set()),
    ],
)
def test_scopes_are_a_list_or_one_text_and_nothing_else(claims, scopes):
    assert principal(claims).scopes == scopes


def test_another_scopes_claim_has_no_stand_in():
    assert principal({"permissions": ["a:b"]}, scopes_claim="permissions").scopes == {"a:b"}
    assert principal({"scope": "a:b", "scopes": "a:b"}, scopes_claim="permissions").scopes == set()


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"exp": NOW + 1}, None),
        ({"exp": NOW - 9}, None),
        ({"exp": NOW - 10}, "Token has expired"),
        ({"exp": 0}, "Token has expired"),
        ({"exp": 10**400}, None),
        ({"nbf": NOW + 10}, None),
        ({"nbf": NOW + 11}, "Invalid token: The token is not yet valid (nbf)"),
        ({"iat": NOW + 10}, None),
        ({"iat": NOW + 11}, "Invalid token: The token is not yet valid (iat)"),
        ({"exp": str(NOW + 100)}, "Invalid token: the exp claim must be a number"),
        ({"exp": None}, "Invalid token: the exp claim must be a number"),
        ({"exp": True}, "Invalid token: the exp claim must be a number"),
        ({"exp": math.inf}, "Invalid token: the exp claim must be a number"),
        ({"exp": math.nan}, "Invalid token: the exp claim must be a number"),
        ({"nbf": -math.inf}, "Invalid token: the nbf claim must be a number"),
        ({"iat": [1]}, "Invalid token: the iat claim must be a number"),
        ({}, None),
    ],
)
def test_times_are_numbers_with_ten_seconds_of_leeway(claims, detail):
    if detail is None:
        assert principal(claims)
    else:
        assert str(refused(claims)) == detail


def test_leeway_and_exp_are_the_operators_to_choose():
    assert str(refused({"exp": NOW - 1}, leeway=0)) == "Token has expired"
    assert principal({"exp": NOW + 1}, leeway=0, require_exp=True)
    assert str(refused({}, require_exp=True)) == "Invalid token: the exp claim is missing"


@pytest.mark.parametrize(
    ("claims", "is_accepted"),
    [
        ({"aud": "os"}, True),
        ({"aud": ["other", "os"]}, True),
        ({"aud": "OS"}, False),
        ({"aud": "os2"}, False),
        ({"aud": ["os", 5]}, False),
        ({"aud": {"os": 1}}, False),
        ({"aud": None}, False),
        ({"aud": ""}, False),
        ({"aud": []}, False),
        ({}, False),
    ],
)
def test_the_audience_is_compared_when_it_is_expected(claims, is_accepted):
    assert principal(claims)
    if is_accepted:
        assert principal(claims, verify_audience=True, audience=["os", "another"])
    else:
        assert refused(claims, verify_audience=True, audience=["os", "another"]).code == "invalid_token"


def test_the_audience_may_have_another_claim():
    assert principal(
        {"aud": "x", "client": "os"}, verify_audience=True, audience="os", audience_claim="client"
    )
    assert refused({"aud": "os", "client": "x"}, verify_audience=True, audience="os", audience_claim="client")


def test_a_token_that_has_expired_is_just_that():
    """Whatever else is wrong with it: an expired token isn't counted as a guess."""
    expected = {"issuer": "https://a", "verify_audience": True, "audience": "os", "require_exp": True}
    for name in ("aud", "client"):
        assert refused({"exp": 5, name: "x"}, **expected, audience_claim=name).code == "expired_token"
    assert refused({"exp": True}, **expected).code == "invalid_token"


@pytest.mark.parametrize("claims", [{}, {"iss": "https://evil"}, {"iss": ["https://a"]}, {"iss": None}])
def test_the_issuer_is_compared_and_never_told(claims):
    assert "https://a" not in str(refused(claims, issuer="https://a"))
    assert principal({"iss": "https://a"}, issuer="https://a")


@pytest.mark.parametrize("sub", [5, None, True, ["alice"], {"id": "alice"}, 1.5])
def test_a_subject_is_text(sub):
    assert str(refused({"sub": sub})) == "Invalid token: Subject must be a string"
    assert refused({"sub": sub, "email": "a@example.com"}, user_id_claim="email")
    assert (
        principal({"sub": "alice", "email": "a@example.com"}, user_id_claim="email").user_id
        == "a@example.com"
    )


@pytest.mark.parametrize(
    "sub", ["sa:ci", "sa:", "__scheduler__", "__oauth__:x", "____", "a\x00b", "a\nb", "\ud800", "x" * 256]
)
def test_a_subject_is_nobody_reserved_and_can_be_stored(sub):
    assert str(refused({"sub": sub})) == "Invalid token subject"
    assert refused({"email": sub}, user_id_claim="email")
    assert refused({"sub": sub, "email": "a@example.com"}, user_id_claim="email")


@pytest.mark.parametrize(
    "sub", ["sam", "xsa:ci", "__a", "a__b__", "auth0|5f7c", "ü@example.com", "x" * LONGEST_NAME]
)
def test_other_subjects_are_fine(sub):
    assert principal({"sub": sub}).user_id == sub
    assert principal({"email": sub}, user_id_claim="email").user_id == sub


def test_no_subject_is_no_identity():
    assert principal({}).user_id is None
    assert principal({"sub": ""}).user_id is None
    assert principal({"sub": "alice"}, user_id_claim="email").user_id is None


def test_a_session_is_text_too():
    assert principal({"session_id": "s1"}).session_id == "s1"
    assert principal({"conversation": "s1"}, session_id_claim="conversation").session_id == "s1"
    assert principal({}).session_id is None
    for session_id in (5, None, ["s1"], "a\nb", "x" * 256):
        assert "session_id" in str(refused({"session_id": session_id}))


def test_named_claims_travel_to_the_run():
    claims = {"tenant": "t1", "plan": {"tier": 2}, "other": 1}
    found = principal(claims, dependencies_claims=["tenant", "absent"], session_state_claims=["plan"])
    assert found.dependencies == {"tenant": "t1", "absent": None}
    assert found.session_state == {"plan": {"tier": 2}}
    assert found.claims == claims


@pytest.mark.parametrize(
    ("jti", "reference"),
    [
        ("a-1", "a-1"),
        (5, HASH[:12]),
        ("a\nb", HASH[:12]),
        ("x" * 65, HASH[:12]),
        (None, HASH[:12]),
        ("", HASH[:12]),
    ],
)
def test_the_reference_for_logs_is_the_jti_or_a_hash(jti, reference):
    assert principal({"jti": jti}).token_ref == reference
