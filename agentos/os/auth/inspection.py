"""Finds the policy of an app, without a request and without its keys."""

from __future__ import annotations

from typing import cast

from starlette.applications import Starlette
from starlette.middleware import Middleware

from agentos.errors import ConfigurationError
from agentos.os.auth.bearer import CredentialReader
from agentos.os.auth.guard import AGENTS, Guard
from agentos.os.auth.jwt import JWTMiddleware
from agentos.os.auth.middleware import Gate
from agentos.os.auth.security_key import SecurityKeyMiddleware
from agentos.os.auth_settings import AuthSettings
from agentos.os.policy.policy import Policy
from agentos.os.registry import served_by


def policy_of(app: Starlette) -> Policy | None:
    """The policy that applies to the app's requests; None without a gate."""
    guard = guard_of(app)
    return guard and guard.policy


def guard_of(app: Starlette) -> Guard | None:
    """The guard of the app: that of the outermost gate that enforces anything."""
    server = served_by(app)
    families = AGENTS if server is None else server.registry.families
    guards = [Guard(_settings(gate), families) for gate in gates_of(app)]
    return next((guard for guard in guards if guard.policy.enforces), guards[-1] if guards else None)


def gates_of(app: Starlette) -> list[Middleware]:
    """All gates of the app, outermost first."""
    return [middleware for middleware in app.user_middleware if _is(Gate, middleware)]


def refuse_both(app: Starlette) -> None:
    """ConfigurationError if the app uses both a security key and JWTs, which is ambiguous."""
    gates = gates_of(app)
    if any(_is(SecurityKeyMiddleware, gate) for gate in gates) and any(
        _is(JWTMiddleware, gate) for gate in gates
    ):
        raise ConfigurationError(
            "security_key and JWTs exclude each other, since its holder may do everything: leave one out."
        )


def finder_of(app: Starlette) -> CredentialReader | None:
    """Where the app's requests carry their tokens, as read by the outermost gate."""
    return next((CredentialReader(_settings(gate)) for gate in gates_of(app)), None)


def _is(kind: type[Gate], middleware: Middleware) -> bool:
    return isinstance(middleware.cls, type) and issubclass(middleware.cls, kind)


def _settings(gate: Middleware) -> AuthSettings:
    return cast("type[Gate]", gate.cls).settings(*gate.args, **gate.kwargs)
