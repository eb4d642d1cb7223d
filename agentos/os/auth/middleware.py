"""The gate in front of an app: authenticates and authorizes each request before it reaches a route.

Subclasses verify the tokens. Tokens of service accounts are accepted by every gate of an AgentOS that has a
database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Any, Final, Protocol

from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentos.errors import AgentOSError, ConfigurationError, UnavailableError
from agentos.os.audit import recorder
from agentos.os.audit.log import AuditLog
from agentos.os.auth import refusals
from agentos.os.auth.bearer import CredentialReader
from agentos.os.auth.csrf import is_foreign, judged_method
from agentos.os.auth.explain import explain
from agentos.os.auth.guard import AGENTS, Guard
from agentos.os.auth.refusals import Refusal
from agentos.os.auth.stream_watch import StreamWatch
from agentos.os.auth_settings import AuthSettings
from agentos.os.http.lookup import app_of, path_of, served
from agentos.os.http.problems import answer
from agentos.os.http.rate_limit import Failures
from agentos.os.http.request_id import identified
from agentos.os.policy.default_scopes import READS_TOKENS
from agentos.os.policy.policy import Decision
from agentos.os.principal import NOBODY, Access, AccessDeniedError, Principal, grant
from agentos.os.registry import Server, served_by
from agentos.os.tokens import service_accounts
from agentos.os.tokens.claims import TokenError, without_claims

_JUDGED: Final = "agentos.judged"
"""Key in the ASGI scope for the app whose request was authorized, and the result."""

_INNOCENT: Final = frozenset({"missing_token", "expired_token"})
"""Codes of errors that are no failed authentication."""


class TokenVerifier(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str, *, server_id: str | None) -> Principal:
        """TokenError for an invalid token, KeysUnavailableError if it can't be verified yet.

        `server_id` is the AgentOS of the request; None for another app.
        """
        ...


class Gate(ABC):
    """An ASGI middleware that passes the requests allowed by its guard. Only one of two gates decides."""

    def __init__(
        self, app: ASGIApp, settings: AuthSettings, verifier: TokenVerifier, *, is_guessable: bool = False
    ) -> None:
        self._app = app
        self._finder = CredentialReader(settings)
        self._verifier = verifier
        self._settings = settings
        self._guards: dict[tuple[str, ...], Guard] = {AGENTS: Guard(settings)}
        """Guards by served families. The first is created at once, so that invalid settings are refused."""
        self._failures = Failures(settings)
        self._is_guessable = is_guessable

    @classmethod
    @abstractmethod
    def settings(cls, *args: Any, **kwargs: Any) -> AuthSettings:
        """The constructor's settings for these parameters, for inspection without creating a gate."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """Entered while requests are served."""
        return nullcontext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            self._check(scope)
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
        asked, outer = {**scope}, _outer(scope)
        grant(scope, outcome)
        scope[_JUDGED] = scope.get("app"), outcome
        record = recorder.begin(log, scope, outcome)
        try:
            send = send if record is None else record.watching(send)
            if outcome.principal is NOBODY or (outer is not None and outer.principal is not NOBODY):
                await self._app(scope, receive, send)
                return
            async with StreamWatch(send, lambda: self._refusal(asked, outcome)) as watch:
                await self._app(scope, receive, watch.send)
        finally:
            if record is not None:
                record.finish()

    def _check(self, scope: Scope) -> None:
        if self._settings.verify_audience and self._settings.audience is None and _server(scope) is None:
            raise ConfigurationError(
                "verify_audience=True needs an audience to compare with, since this app is no AgentOS with an"
                " id: pass audience='...'."
            )

    async def _judge(self, scope: Scope) -> Access | Refusal:
        outer = _outer(scope)
        if outer is not None and outer.policy.enforces:
            return outer
        guard = self._guard(scope)
        method, path = judged_method(scope), path_of(scope)
        opened = guard.policy.open_to_all(method, path)
        if opened is not None:
            _compare(guard, scope, None, method, opened)
            caller = await self._recognized(scope) if opened.rule in READS_TOKENS else NOBODY
            return _identified(scope, method, path, guard.access(caller, opened))
        try:
            principal = await self._known(scope)
        except TokenError as error:
            return self._unproven(scope, error)
        except UnavailableError as error:
            return Refusal(error)
        except AccessDeniedError as error:
            return refusals.forbidden(error, NOBODY)
        decision = guard.policy.decide(principal.scopes, method, path)
        _compare(guard, scope, principal, method, decision)
        if decision.ids is not None and served(scope).is_foreign:
            decision = guard.policy.decide(principal.scopes, method, path, is_narrowed=False)
        if decision.allowed:
            return _identified(scope, method, path, guard.access(principal, decision))
        return refusals.refused(decision, method, served(scope), principal)

    async def _refusal(self, scope: Scope, access: Access) -> AgentOSError | None:
        """Why a request that was allowed isn't any more. None also if that can't be told at the moment."""
        try:
            principal = await self._verified(scope, self._finder.find(scope["headers"]).token)
        except TokenError as error:
            return error
        except UnavailableError:
            return None
        if access.policy.decide(principal.scopes, judged_method(scope), path_of(scope)).allowed:
            return None
        return TokenError("The token doesn't permit this any more", code="insufficient_scope")

    def _guard(self, scope: Scope) -> Guard:
        """The guard for what the app of the request serves."""
        server = _server(scope)
        families = AGENTS if server is None else server.registry.families
        if families not in self._guards:
            self._guards[families] = Guard(self._settings, families)
        return self._guards[families]

    def _unproven(self, scope: Scope, error: TokenError) -> Refusal:
        """A 401, or a 429 after too many failures. Missing and expired tokens don't count as failures."""
        if error.code in _INNOCENT:
            return refusals.unauthorized(error)
        seconds = self._failures.wait(scope)
        self._failures.count(scope)
        return refusals.exhausted(error, seconds) if seconds else refusals.unauthorized(error)

    async def _recognized(self, scope: Scope) -> Principal:
        """The authenticated principal, or nobody. An invalid token counts as a failure here too."""
        try:
            return await self._known(scope)
        except TokenError as error:
            if error.code not in _INNOCENT:
                self._failures.count(scope)
        except UnavailableError:
            pass
        return NOBODY

    async def _known(self, scope: Scope) -> Principal:
        """The authenticated principal. TokenError, or AccessDeniedError for a cross-site request."""
        outer = _outer(scope)
        if outer is not None and outer.principal is not NOBODY:
            return outer.principal
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
            raise TokenError("Not checked: too many failed authentications")
        return await self._verified(scope, token)

    async def _verified(self, scope: Scope, token: str) -> Principal:
        server = _server(scope)
        if not service_accounts.is_one(token):
            return await self._verifier.verify(token, server_id=server and server.id)
        principal, account = await service_accounts.verify(token, server and server.registry.default_db)
        if server is not None:
            server.usage.note(account)
        return without_claims(principal, self._settings)


def _compare(guard: Guard, scope: Scope, principal: Principal | None, method: str, given: Decision) -> None:
    """Counts the request if the shadow map decides differently about an existing route."""
    if guard.shadow is None:
        return
    scopes = None if principal is None else principal.scopes
    other = guard.shadow.judge(scopes, method, path_of(scope))
    if other.allowed is not given.allowed and (found := served(scope)).match is Match.FULL:
        guard.shadow.count(other, scopes or (), method, found.pattern)


def _identified(scope: Scope, method: str, path: str, access: Access) -> Access | Refusal:
    """The access; a refusal if the caller is anonymous and the route is about rows with owners."""
    if access.principal.user_id or explain(access, method, path).code != "no_identity":
        return access
    if not served(scope).is_ours:
        return access
    return refusals.forbidden(access.no_identity(), access.principal)


def _server(scope: Scope) -> Server | None:
    """The AgentOS of the request's app; None if it is another app."""
    app = app_of(scope)
    return None if app is None else served_by(app)


def _log(scope: Scope) -> AuditLog | None:
    server = _server(scope)
    return server and server.audit


def _outer(scope: Scope) -> Access | None:
    """The decision of an outer middleware of the same app. Middleware around another app is ignored."""
    app, access = scope.get(_JUDGED, (None, None))
    return access if app is scope.get("app") else None


async def holding(
    held: AbstractAsyncContextManager[None], app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Ties a context manager to the ASGI lifespan: exited before shutdown is acknowledged.

    The server stops its event loop once shutdown is acknowledged.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(held)

        async def after_release(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await stack.aclose()
            await send(message)

        await app(scope, receive, after_release)
