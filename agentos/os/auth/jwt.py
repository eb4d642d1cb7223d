"""The gate that requires JWTs."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast, get_type_hints

from starlette.types import ASGIApp

from agentos.os.auth.middleware import Gate
from agentos.os.auth_settings import AuthSettings
from agentos.os.tokens.keys import ring
from agentos.os.tokens.verify import Verifier

P = ParamSpec("P")

logger = logging.getLogger("agentos.auth")


def _parameters_of(
    settings: Callable[P, AuthSettings],
) -> Callable[
    [Callable[[JWTMiddleware, ASGIApp, AuthSettings], None]], Callable[Concatenate[Any, ASGIApp, P], None]
]:
    """Gives a constructor the parameters declared by `settings`, for type checkers, editors and `help`."""
    hints = get_type_hints(settings)
    declared = [
        each.replace(annotation=hints[each.name]) for each in inspect.signature(settings).parameters.values()
    ]

    def decorated(
        init: Callable[[JWTMiddleware, ASGIApp, AuthSettings], None],
    ) -> Callable[Concatenate[Any, ASGIApp, P], None]:
        @wraps(init)
        def with_parameters(self: Any, app: ASGIApp, *args: P.args, **kwargs: P.kwargs) -> None:
            init(self, app, settings(*args, **kwargs))

        own = inspect.signature(init)
        given = [own.parameters[name] for name in ("self", "app")]
        cast("Any", with_parameters).__signature__ = own.replace(parameters=[*given, *declared])
        return with_parameters

    return decorated


class JWTMiddleware(Gate):
    """JWT authentication and optional authorization, for `app.add_middleware`.

    Its parameters are the fields of `AuthSettings`, which documents them. An invalid one raises
    ConfigurationError when the app starts. `scope_mappings` or `authorization=True` enables authorization;
    without either, any valid token is accepted.

    If an app has two of these, the outer one decides. The inner one decides only if the outer merely
    authenticates.
    """

    @_parameters_of(AuthSettings)
    def __init__(self, app: ASGIApp, settings: AuthSettings) -> None:
        if settings.audiences and not settings.verify_audience:
            logger.warning("audience is set but not verified: pass verify_audience=True.")
        self._keys = ring(
            settings.verification_keys,
            settings.jwks_file,
            settings.algorithm,
            jwks_url=settings.jwks_url,
            issuer=settings.issuer,
            strict=settings.strict,
        )
        super().__init__(app, settings, Verifier(self._keys, settings))

    @classmethod
    def settings(cls, *args: Any, **kwargs: Any) -> AuthSettings:
        """The settings for these parameters. ConfigurationError if they are invalid."""
        return AuthSettings(*args, **kwargs)

    def open(self) -> AbstractAsyncContextManager[None]:
        """Fetches keys until the context is exited."""
        return self._keys.open()
