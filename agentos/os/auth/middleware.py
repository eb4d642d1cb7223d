"""The gate in front of an app: who is asking, and whether it may, judged before any route sees the request.

What proves who somebody is, subclasses say; the tokens of service accounts are good at every gate of an
AgentOS that has a database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any, Final, Protocol

from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentos.errors import UnavailableError
from agentos.os.audit import recorder
from agentos.os.audit.log import AuditLog
from agentos.os.auth import refusals
from agentos.os.auth.bearer import CredentialReader
from agentos.os.auth.csrf import is_foreign
from agentos.os.auth.explain import explain
from agentos.os.auth.guard import Guard
from agentos.os.auth.rate_limit import Failures
from agentos.os.auth.refusals import Refusal
from agentos.os.auth_settings import AuthSettings
from agentos.os.http.lookup import app_of, path_of, served
from agentos.os.http.problems import answer
from agentos.os.http.request_id import identified
from agentos.os.policy.policy import Decision
from agentos.os.principal import NOBODY, Access, AccessDeniedError, Principal, grant
from agentos.os.registry import Server
from agentos.os.tokens import service_accounts
from agentos.os.tokens.claims import TokenError

_JUDGED: Final = "agentos.judged"
"""In the ASGI scope: the app that a request was judged for, and the outcome."""


class TokenVerifier(Protocol):
    """What tells whom a token speaks for."""

    async def verify(self, token: str) -> Principal:
        """TokenError if it proves nothing, KeysUnavailableError if that can't be known yet."""
        ...


class Gate(ABC):
    """An ASGI middleware that lets through what its guard allows. Two on one app are one."""

    def __init__(
        self, app: ASGIApp, settings: AuthSettings, verifier: TokenVerifier, *, is_guessable: bool = False
    ) -> None:
        self._app = app
        self._finder = CredentialReader(settings)
        self._verifier = verifier
        self._guard = Guard(settings)
        self._failures = Failures(settings)
        self._is_guessable = is_guessable

    @classmethod
    @abstractmethod
    def settings(cls, *args: Any, **kwargs: Any) -> AuthSettings:
        """What the constructor makes of these parameters, so that a gate can be judged without making it."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """Is entered while requests come."""
        return nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in {"http", "websocket"}:
            await holding(self.open(), self._app, scope, receive, send)
            return
        send = identified(scope, send)
        outcome, log = await self._judge(scope), _log(scope)
        if isinstance(outcome, Refusal):
            response = answer(outcome.error)
            if outcome.principal is not None:
                recorder.refused(log, scope, outcome.error.code, response.status_code, outcome.principal)
            await refusals.send_refusal(response, scope, receive, send)
            return
        grant(scope, outcome)
        scope[_JUDGED] = scope.get("app"), outcome
        record = recorder.begin(log, scope, outcome)
        if record is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, record.watching(send))
        finally:
            record.finish()

    async def _judge(self, scope: Scope) -> Access | Refusal:
        outer = _outer(scope)
        if outer is not None and outer.policy.enforces:
            return outer
        method = scope["method"] if scope["type"] == "http" else "GET"
        path = path_of(scope)
        opened = self._guard.policy.open_to_all(method, path)
        if opened is not None:
            self._compare(scope, None, method, path, opened)
            return _identified(scope, method, path, self._guard.access(NOBODY, opened))
        try:
            principal = (
                outer.principal if outer and outer.principal is not NOBODY else await self._known(scope)
            )
        except TokenError as error:
            return self._unproven(scope, error)
        except UnavailableError as error:
            return Refusal(error)
        except AccessDeniedError as error:
            return refusals.forbidden(error, NOBODY)
        decision = self._guard.policy.decide(principal.scopes, method, path)
        self._compare(scope, principal, method, path, decision)
        if decision.ids is not None and served(scope).is_foreign:
            decision = self._guard.policy.decide(principal.scopes, method, path, is_narrowed=False)
        if decision.allowed:
            return _identified(scope, method, path, self._guard.access(principal, decision))
        return refusals.refused(decision, method, served(scope), principal)

    def _unproven(self, scope: Scope, error: TokenError) -> Refusal:
        """401, or 429 from where too many came. Who sends nothing, or what was good once, isn't guessing."""
        if error.code in {"missing_token", "expired_token"}:
            return refusals.unauthorized(error)
        seconds = self._failures.wait(scope)
        self._failures.count(scope)
        return refusals.exhausted(error, seconds) if seconds else refusals.unauthorized(error)

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
        principal = await self._proven(scope, credentials.token)
        acts = scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD"}
        if credentials.is_cookie and acts and is_foreign(scope):
            raise AccessDeniedError(
                "A page of another origin can't act with this site's cookie: allow its origin,"
                " or send the token in the header.",
                code="foreign_origin",
                decision=Decision(),
            )
        return principal

    async def _proven(self, scope: Scope, token: str) -> Principal:
        is_account = service_accounts.is_one(token)
        # A signature can't be guessed, and costs nobody else anything: good tokens pass also from where bad
        # ones come, be it the address of a proxy. A shared key can be; looking up an account costs a query.
        if (is_account or self._is_guessable) and self._failures.wait(scope):
            raise TokenError("Not looked at: too many failed authentications")
        if not is_account:
            return await self._verifier.verify(token)
        server = _server(scope)
        principal, account = await service_accounts.verify(token, server and server.registry.default_db)
        if server is not None:
            server.usage.note(account)
        return principal


def _identified(scope: Scope, method: str, path: str, access: Access) -> Access | Refusal:
    """The access; a refusal if it is nobody's and the route is about rows that have owners."""
    if access.principal.user_id or explain(access, method, path).code != "no_identity":
        return access
    if not served(scope).is_ours:
        return access
    return refusals.forbidden(access.no_identity(), access.principal)


def _server(scope: Scope) -> Server | None:
    """The AgentOS that the app serves; None if it is another app."""
    app = app_of(scope)
    return app.state.agentos if app is not None and "agentos" in app.state else None


def _log(scope: Scope) -> AuditLog | None:
    server = _server(scope)
    return server and server.audit


def _outer(scope: Scope) -> Access | None:
    """What a middleware further out decided for this very app; what one around another app did is its own."""
    app, access = scope.get(_JUDGED, (None, None))
    return access if app is scope.get("app") else None


async def holding(
    held: AbstractAsyncContextManager[None], app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Runs the app's lifespan inside `held`. A server ends its loop once it hears of the shutdown's end."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(held)

        async def after_release(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await stack.aclose()
            await send(message)

        await app(scope, receive, after_release)
