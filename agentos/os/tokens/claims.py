"""What a verified token says: its payload checked (RFC 7519, RFC 8725) and read into a principal.

Pure: the signature is `tokens`' work.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

from agentos.errors import AgentOSError, ConfigurationError
from agentos.os.principal import Principal

LONGEST_NAME: Final = 255
"""Characters in a subject or a session id; OpenID Connect Core §2 has the same limit."""

_RESERVED = re.compile(r"sa:|__.*__")
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PLAIN_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class TokenError(AgentOSError):
    """There is no token, or it doesn't prove anything: a 401."""

    def __init__(self, message: str, *, code: str = "invalid_token") -> None:
        super().__init__(message)
        self.code = code
        self.token_ref: str | None = None
        """Names the token in logs: 12 hex digits of its hash."""


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """What the issuer calls the claims that are read."""

    audience: str = "aud"
    scopes: str = "scopes"
    user_id: str = "sub"
    session_id: str = "session_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a payload must say, and where in it to look."""

    issuer: str | None = None
    audience: frozenset[str] | None = None
    """One of these is needed; None: the audience isn't checked."""
    require_exp: bool = False
    leeway: float = 10
    """Seconds by which clocks may differ."""
    names: ClaimNames = ClaimNames()
    dependencies_claims: Sequence[str] = ()
    session_state_claims: Sequence[str] = ()

    def __post_init__(self) -> None:
        """ConfigurationError for a name that is empty: a variable that isn't set, as a rule."""
        names: dict[str, Sequence[str | None]] = {
            "issuer": (self.issuer,),
            **{f"{name}_claim": (claim,) for name, claim in asdict(self.names).items()},
            "dependencies_claims": self.dependencies_claims,
            "session_state_claims": self.session_state_claims,
        }
        for parameter, given in names.items():
            if "" in given:
                raise ConfigurationError(f"{parameter} is empty: give a name, or leave it out.")


def read(claims: Mapping[str, Any], expected: Expected, *, now: float, token_hash: str) -> Principal:
    """The principal that `claims` name at `now` (epoch seconds). TokenError if they don't hold."""
    _check_times(claims, expected, now)
    _check_audience(claims, expected)
    _check_issuer(claims, expected)
    subject, user_id = _name(claims, "sub"), _name(claims, expected.names.user_id)
    if any(name and _RESERVED.match(name) for name in (subject, user_id)):
        raise TokenError("Invalid token subject")
    jti = claims.get("jti")
    return Principal(
        user_id=user_id,
        session_id=_name(claims, expected.names.session_id),
        scopes=_scopes(claims, expected.names.scopes),
        claims=claims,
        token_ref=jti if isinstance(jti, str) and _PLAIN_REFERENCE.fullmatch(jti) else token_hash[:12],
        dependencies=_picked(claims, expected.dependencies_claims),
        session_state=_picked(claims, expected.session_state_claims),
    )


def _check_times(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    expires = _time(claims, "exp")
    if expires is None and expected.require_exp:
        raise TokenError("Invalid token: the exp claim is missing")
    if expires is not None and expires <= now - expected.leeway:
        raise TokenError("Token has expired", code="expired_token")
    for claim in ("nbf", "iat"):
        begins = _time(claims, claim)
        if begins is not None and begins > now + expected.leeway:
            raise TokenError(f"Invalid token: The token is not yet valid ({claim})")


def _check_audience(claims: Mapping[str, Any], expected: Expected) -> None:
    if expected.audience is None:
        return
    if expected.names.audience not in claims:
        raise TokenError(f"Invalid token: the {expected.names.audience} claim is missing")
    found = _texts(claims[expected.names.audience])
    if found is None or expected.audience.isdisjoint(found):
        raise TokenError("Invalid token audience - token not valid for this AgentOS instance")


def _check_issuer(claims: Mapping[str, Any], expected: Expected) -> None:
    if expected.issuer is None:
        return
    if "iss" not in claims:
        raise TokenError("Invalid token: the iss claim is missing")
    if claims["iss"] != expected.issuer:
        raise TokenError("Invalid token: Invalid issuer")


def _scopes(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """A list of texts, or one text that separates them by spaces (RFC 8693, RFC 9068); else no scopes."""
    if claim == "scopes" and claim not in claims:
        claim = "scope"
    value = claims.get(claim)
    found = value.split(" ") if isinstance(value, str) else _texts(value)
    return frozenset(found or ()) - {""}


def _texts(value: object) -> list[str] | None:
    """One text or a list of them; None for anything else."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    texts = [item for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) else None


def _time(claims: Mapping[str, Any], claim: str) -> float | None:
    if claim not in claims:
        return None
    value = claims[claim]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, float) and math.isfinite(value)):
        raise TokenError(f"Invalid token: the {claim} claim must be a number")
    return value


def _name(claims: Mapping[str, Any], claim: str) -> str | None:
    """Text that ends up in rows and addresses; empty is the same as absent."""
    value = claims.get(claim, "")
    if not isinstance(value, str):
        what = "Subject" if claim == "sub" else f"the {claim} claim"
        raise TokenError(f"Invalid token: {what} must be a string")
    if len(value) > LONGEST_NAME or _UNSTORABLE.search(value):
        raise TokenError(
            "Invalid token subject" if claim == "sub" else f"Invalid token: invalid {claim} claim"
        )
    return value or None


def _picked(claims: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: claims.get(name) for name in names}
