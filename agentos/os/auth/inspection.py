"""Finding what judges the requests of an app, without a request and without its keys."""

from __future__ import annotations

from inspect import signature
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware

from agentos.errors import ConfigurationError
from agentos.os.auth import security_key
from agentos.os.auth.bearer import Finder
from agentos.os.auth.guard import Guard
from agentos.os.auth.jwt import JWTMiddleware
from agentos.os.auth.middleware import Gate
from agentos.os.auth.security_key import SecurityKeyMiddleware
from agentos.os.policy.policy import Policy

_OPTIONS: Final = frozenset(signature(Guard).parameters)
_PARAMETERS: Final = signature(JWTMiddleware).parameters


def policy_of(app: Starlette) -> Policy | None:
    """The policy that judges the app's requests; None where no gate was added."""
    guard = guard_of(app)
    return guard and guard.policy


def guard_of(app: Starlette) -> Guard | None:
    """What judges the app's requests: of several gates, the outermost that enforces anything."""
    guards = [_guard(middleware) for middleware in gates_of(app)]
    return next((guard for guard in guards if guard.policy.enforces), guards[-1] if guards else None)


def gates_of(app: Starlette) -> list[Middleware]:
    """Every gate that was added, with its parameters (`kwargs`), the outermost first."""
    return [middleware for middleware in app.user_middleware if _is(Gate, middleware)]


def refuse_both(app: Starlette) -> None:
    """ConfigurationError if the app asks for a security key and for JWTs: who would judge?"""
    gates = gates_of(app)
    if any(_is(SecurityKeyMiddleware, gate) for gate in gates) and any(
        _is(JWTMiddleware, gate) for gate in gates
    ):
        raise ConfigurationError(
            "security_key lets its holder do everything, which JWTs are there to prevent: leave one out."
        )


def finder_of(app: Starlette) -> Finder | None:
    """Where the app's requests carry their tokens: the outermost gate reads them."""
    return next((_finder(middleware) for middleware in gates_of(app)), None)


def _is(kind: type[Gate], middleware: Middleware) -> bool:
    return isinstance(middleware.cls, type) and issubclass(middleware.cls, kind)


def _guard(middleware: Middleware) -> Guard:
    if _is(SecurityKeyMiddleware, middleware):
        return security_key.guard()
    given = cast("dict[str, Any]", middleware.kwargs)  # what `JWTMiddleware` takes, checked where it is made
    return Guard(**{name: value for name, value in given.items() if name in _OPTIONS})


def _finder(middleware: Middleware) -> Finder:
    if _is(SecurityKeyMiddleware, middleware):
        return security_key.finder()
    given = cast("dict[str, Any]", middleware.kwargs)
    source, header, cookie = (
        given.get(name, _PARAMETERS[name].default)
        for name in ("token_source", "token_header_key", "cookie_name")
    )
    return Finder(source, header=header, cookie=cookie)
