"""Converts the claims of a verified token to a principal (RFC 7519, RFC 8725).

PyJWT checks the signature, times, issuer and audience. This module adds what PyJWT is too lenient about, and
our own error messages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import jwt

from agentos.errors import AuthenticationError
from agentos.os.auth_settings import AuthSettings
from agentos.os.principal import Principal

LONGEST_NAME: Final = 255
"""Maximum characters in a subject or a session id, as in OpenID Connect Core §2."""

_RESERVED = re.compile(r"sa:|__.*__")
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_OTHER_AUDIENCE: Final = "Invalid token audience - token not valid for this AgentOS instance"
_PLAIN_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class TokenError(AuthenticationError):
    """The token is missing or invalid."""

    def __init__(self, message: str, *, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code
        self.token_ref: str | None = None
        """Identifies the token in logs: 12 hex digits of its hash."""


def check_times(claims: Mapping[str, Any]) -> None:
    """TokenError for a time that isn't a number; PyJWT also accepts `true` and `"1800000000"`."""
    for claim in ("exp", "nbf", "iat"):
        value = claims.get(claim, 0)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole and not (isinstance(value, float) and math.isfinite(value)):
            raise TokenError(f"Invalid token: the {claim} claim must be a number")


def check_audience(claims: Mapping[str, Any], settings: AuthSettings, audiences: Collection[str]) -> None:
    """TokenError for a wrong audience in a custom claim, or for any if none is accepted.

    PyJWT only checks `aud`, and only if an audience is accepted.
    """
    if not settings.verify_audience or (settings.audience_claim == "aud" and audiences):
        return
    if settings.audience_claim not in claims:
        raise TokenError(f"Invalid token: the {settings.audience_claim} claim is missing")
    found = _texts(claims[settings.audience_claim])
    if found is None or set(audiences).isdisjoint(found):
        raise TokenError(_OTHER_AUDIENCE)


def refusal(error: jwt.PyJWTError, claims: Mapping[str, Any]) -> TokenError:
    """Explains why PyJWT refuses `claims`, without the expected values or the library's text."""
    match error:
        case jwt.ExpiredSignatureError():
            return TokenError("Token has expired", code="expired_token")
        case jwt.ImmatureSignatureError():
            later = max(("nbf", "iat"), key=lambda claim: claims.get(claim, -math.inf))
            return TokenError(f"Invalid token: The token is not yet valid ({later})")
        case jwt.MissingRequiredClaimError() if error.claim not in claims:
            return TokenError(f"Invalid token: the {error.claim} claim is missing")
        case jwt.MissingRequiredClaimError() | jwt.InvalidAudienceError():
            return TokenError(_OTHER_AUDIENCE)
        case jwt.InvalidIssuerError():
            return TokenError("Invalid token: Invalid issuer")
        case _:
            return TokenError("Invalid token: malformed")


def read(claims: Mapping[str, Any], settings: AuthSettings, *, token_hash: str) -> Principal:
    """The principal of verified claims. TokenError for an invalid name."""
    subject, user_id = _name(claims, "sub"), _name(claims, settings.user_id_claim)
    if any(name and _RESERVED.match(name) for name in (subject, user_id)):
        raise TokenError("Invalid token subject")
    jti = claims.get("jti")
    return Principal(
        user_id=user_id,
        session_id=_name(claims, settings.session_id_claim),
        scopes=_scopes(claims, settings.scopes_claim),
        claims=claims,
        token_ref=jti if isinstance(jti, str) and _PLAIN_REFERENCE.fullmatch(jti) else token_hash[:12],
        dependencies=_picked(claims, settings.dependencies_claims),
        session_state=_picked(claims, settings.session_state_claims),
    )


def without_claims(principal: Principal, settings: AuthSettings) -> Principal:
    """The principal of a token that has no claims: what is reserved for them stays empty."""
    return replace(
        principal,
        dependencies=_picked({}, settings.dependencies_claims),
        session_state=_picked({}, settings.session_state_claims),
    )


def _scopes(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """A list of strings, or one space-separated string (RFC 8693, RFC 9068); otherwise no scopes."""
    if claim == "scopes" and claim not in claims:
        claim = "scope"
    value = claims.get(claim)
    found = value.split(" ") if isinstance(value, str) else _texts(value)
    return frozenset(found or ()) - {""}


def _texts(value: object) -> list[str] | None:
    """One string or a list of them; None for anything else."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    texts = [item for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) else None


def _name(claims: Mapping[str, Any], claim: str) -> str | None:
    """A string for rows and URLs; empty counts as absent."""
    value = claims.get(claim, "")
    if not isinstance(value, str):
        what = "Subject" if claim == "sub" else f"the {claim} claim"
        raise TokenError(f"Invalid token: {what} must be a string")
    if len(value) > LONGEST_NAME or _UNSTORABLE.search(value):
        raise TokenError(
            "Invalid token subject" if claim == "sub" else f"Invalid token: invalid {claim} claim"
        )
    return value or None


def _picked(claims: Mapping[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    return {name: claims.get(name) for name in names or ()}
