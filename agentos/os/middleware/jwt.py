"""Who is asking, and whether it may: every request is judged here, before any route sees it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from agentos.errors import ConfigurationError
from agentos.os import keys
from agentos.os.claims import Expected, TokenError
from agentos.os.guard import Guard
from agentos.os.middleware import answers
from agentos.os.middleware.credentials import Finder, TokenSource
from agentos.os.middleware.lifespan import holding
from agentos.os.middleware.origins import is_foreign
from agentos.os.policy import ADMIN_SCOPE, Decision, Unmapped
from agentos.os.principal import NOBODY, Access, AccessDeniedError, Principal, grant
from agentos.os.routes import path_of, served
from agentos.os.rules import ScopeMap
from agentos.os.tokens import Verifier

logger = logging.getLogger("agentos.auth")

_JUDGED: Final = "agentos.judged"
"""In the ASGI scope: the app that a request was judged for, and the outcome."""


class JWTMiddleware:
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
    ) -> None:
        if not 0 <= leeway <= 3600:
            raise ConfigurationError(f"leeway={leeway!r} can't work: give seconds, from 0 to 3600.")
        self._app = app
        self._finder = Finder(token_source, header=token_header_key, cookie=cookie_name)
        expected = Expected(
            issuer=issuer,
            audience=_audience(audience, verify_audience),
            require_exp=require_exp,
            leeway=leeway,
            audience_claim=audience_claim,
            scopes_claim=scopes_claim,
            user_id_claim=user_id_claim,
            session_id_claim=session_id_claim,
            dependencies_claims=_names("dependencies_claims", dependencies_claims),
            session_state_claims=_names("session_state_claims", session_state_claims),
        )
        algorithms = keys.pinned(algorithm)
        self._keys = keys.ring(
            verification_keys, jwks_file, algorithms, jwks_url=jwks_url, issuer=issuer, strict=strict
        )
        self._verifier = Verifier(self._keys, expected)
        self._guard = Guard(
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in {"http", "websocket"}:
            await holding(self._keys.open(), self._app, scope, receive, send)
            return
        outcome = await self._judge(scope)
        if isinstance(outcome, Response):
            await answers.send_refusal(outcome, scope, receive, send)
            return
        grant(scope, outcome)
        scope[_JUDGED] = scope.get("app"), outcome
        await self._app(scope, receive, send)

    async def _judge(self, scope: Scope) -> Access | Response:
        outer = _outer(scope)
        if outer is not None and outer.policy.enforces:
            return outer
        method = scope["method"] if scope["type"] == "http" else "GET"
        path = path_of(scope)
        opened = self._guard.policy.open_to_all(method, path)
        if opened is not None:
            self._compare(scope, None, method, path, opened)
            return self._guard.access(NOBODY, opened)
        try:
            principal = (
                outer.principal if outer and outer.principal is not NOBODY else await self._known(scope)
            )
        except TokenError as error:
            return answers.unauthorized(error)
        except keys.KeysUnavailableError as error:
            return answers.unavailable(error)
        except AccessDeniedError as error:
            return answers.forbidden(error, NOBODY)
        decision = self._guard.policy.decide(principal.scopes, method, path)
        self._compare(scope, principal, method, path, decision)
        if decision.allowed:
            return self._guard.access(principal, decision)
        return answers.refused(decision, method, served(scope), principal)

    def _compare(
        self, scope: Scope, principal: Principal | None, method: str, path: str, given: Decision
    ) -> None:
        """Counts it if the second map would have answered otherwise, about a route that there is."""
        shadow = self._guard.shadow
        if shadow is None:
            return
        scopes = None if principal is None else principal.scopes
        other = shadow.judge(scopes, method, path)
        if other.allowed is not given.allowed and (found := served(scope)).match is Match.FULL:
            shadow.count(other, scopes or (), method, found.pattern)

    async def _known(self, scope: Scope) -> Principal:
        """The principal that the request proves. TokenError, or AccessDeniedError for a forged request."""
        credentials = self._finder.find(scope["headers"])
        principal = await self._verifier.verify(credentials.token)
        acts = scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD"}
        if credentials.is_cookie and acts and is_foreign(scope):
            raise AccessDeniedError(
                "A page of another origin can't act with this site's cookie: allow its origin,"
                " or send the token in the header.",
                code="foreign_origin",
                decision=Decision(),
            )
        return principal


def _outer(scope: Scope) -> Access | None:
    """What a middleware further out decided for this very app; what one around another app did is its own."""
    app, access = scope.get(_JUDGED, (None, None))
    return access if app is scope.get("app") else None


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
