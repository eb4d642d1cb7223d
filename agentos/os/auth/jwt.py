"""The gate that asks for JWTs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from starlette.types import ASGIApp

from agentos.errors import ConfigurationError
from agentos.os.auth.bearer import Finder, TokenSource
from agentos.os.auth.guard import Guard
from agentos.os.auth.middleware import Gate
from agentos.os.auth.rate_limit import PER_MINUTE, Failures
from agentos.os.policy.policy import ADMIN_SCOPE, Unmapped
from agentos.os.policy.rules import ScopeMap
from agentos.os.tokens.claims import ClaimNames, Expected
from agentos.os.tokens.keys import ring
from agentos.os.tokens.verify import Verifier

logger = logging.getLogger("agentos.auth")


class JWTMiddleware(Gate):
    """JWT authentication and, where asked for, authorization, for `app.add_middleware`.

    Tokens are checked against `verification_keys` (PEM public keys or secrets, tried in order) or the keys of
    `jwks_file` or `jwks_url` (chosen by `kid`), with the algorithms of `algorithm` (a name or a list) and no
    other; `JWT_VERIFICATION_KEY` and `JWT_JWKS_FILE` stand in where none is given. Without any, an `issuer`
    that is an https:// address is asked for its keys (OpenID discovery). Fetched keys are read again when old
    and when a token names another; until there are any, a token is answered 503. With `verify_audience`,
    `audience` (one or more) must be in the token's `audience_claim`; `issuer` must be its `iss`.

    `scope_mappings` or `authorization=True` turns authorization on: an entry `"POST /agents/*/runs": ["a:b"]`
    is all that is asked of the caller there, the defaults hold elsewhere, and what neither covers is denied,
    or with `unmapped="allow"` open to any token. `excluded_route_paths` need no token. `admin_scope` passes
    everything and sees everyone's rows, `all_users_scope` reads them; others are kept to their own rows,
    unless `user_isolation` is off.

    `dependencies_claims` and `session_state_claims` name claims that runs get as dependencies and session
    state. `leeway` is in seconds. `strict` refuses weak secrets, and on an AgentOS what the lint finds in the
    map, instead of warning. `shadow_scope_mappings` is a second map that decides nothing: what it would allow
    or deny otherwise is counted, for `GET /authz/shadow`.

    An address that sends more than `failed_logins_per_minute` bad tokens is answered 429 until the minute
    is over; good JWTs pass all the same. 0 turns that off.

    A parameter that can't work raises ConfigurationError. Two of these on one app are one: the outer judges,
    and the inner only where the outer merely authenticates.
    """

    def __init__(
        self,
        app: ASGIApp,
        verification_keys: Sequence[str | bytes] | None = None,
        *,
        jwks_file: str | Path | None = None,
        jwks_url: str | None = None,
        algorithm: str | Sequence[str] = "RS256",
        issuer: str | None = None,
        audience: str | Sequence[str] | None = None,
        verify_audience: bool = False,
        require_exp: bool = False,
        leeway: float = 10,
        strict: bool = False,
        token_source: TokenSource | str = TokenSource.HEADER,
        token_header_key: str = "Authorization",  # noqa: S107 - a header's name
        cookie_name: str = "access_token",
        scopes_claim: str = "scopes",
        user_id_claim: str = "sub",
        session_id_claim: str = "session_id",
        audience_claim: str = "aud",
        dependencies_claims: Sequence[str] | None = None,
        session_state_claims: Sequence[str] | None = None,
        authorization: bool | None = None,
        scope_mappings: ScopeMap | None = None,
        admin_scope: str = ADMIN_SCOPE,
        all_users_scope: str | None = None,
        excluded_route_paths: Sequence[str] | None = None,
        unmapped: Unmapped = "deny",
        user_isolation: bool = True,
        shadow_scope_mappings: ScopeMap | None = None,
        failed_logins_per_minute: int = PER_MINUTE,
    ) -> None:
        finder = Finder(token_source, header=token_header_key, cookie=cookie_name)
        expected = Expected(
            issuer=issuer,
            audience=_audience(audience, verify_audience),
            require_exp=require_exp,
            leeway=_seconds(leeway),
            names=ClaimNames(audience_claim, scopes_claim, user_id_claim, session_id_claim),
            dependencies_claims=_names("dependencies_claims", dependencies_claims),
            session_state_claims=_names("session_state_claims", session_state_claims),
        )
        self._keys = ring(
            verification_keys, jwks_file, algorithm, jwks_url=jwks_url, issuer=issuer, strict=strict
        )
        guard = Guard(
            authorization=authorization,
            scope_mappings=scope_mappings,
            admin_scope=admin_scope,
            all_users_scope=all_users_scope,
            excluded_route_paths=excluded_route_paths,
            unmapped=unmapped,
            user_isolation=user_isolation,
            shadow_scope_mappings=shadow_scope_mappings,
            strict=strict,
        )
        verifier, failures = Verifier(self._keys, expected), Failures(failed_logins_per_minute)
        super().__init__(app, finder=finder, verifier=verifier, guard=guard, failures=failures)

    def open(self) -> AbstractAsyncContextManager[None]:
        """Fetches keys until it is left."""
        return self._keys.open()


def _seconds(leeway: float) -> float:
    if not 0 <= leeway <= 3600:
        raise ConfigurationError(f"leeway={leeway!r} can't work: give seconds, from 0 to 3600.")
    return leeway


def _audience(audience: str | Sequence[str] | None, verify_audience: bool) -> frozenset[str] | None:
    names = (audience,) if isinstance(audience, str) else tuple(audience or ())
    if not verify_audience:
        if names:
            logger.warning("audience is given but not checked: pass verify_audience=True.")
        return None
    if not all(names) or not names:
        raise ConfigurationError(
            "verify_audience=True needs an audience to compare with: pass audience='...'."
        )
    return frozenset(names)


def _names(parameter: str, value: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ConfigurationError(f"{parameter} must be a list: [{value!r}].")
    return tuple(value or ())
