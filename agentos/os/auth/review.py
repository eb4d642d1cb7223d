"""Reviews the authorization of an app before or without serving it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.applications import Starlette

from agentos.errors import ConfigurationError
from agentos.os.auth.explain import Explanation, explain
from agentos.os.auth.guard import Guard
from agentos.os.auth.inspection import guard_of
from agentos.os.http.lookup import Found, asked, every
from agentos.os.policy.lint import Finding, lint
from agentos.os.policy.matrix import Row, rows
from agentos.os.policy.policy import Decision
from agentos.os.principal import Principal

logger = logging.getLogger("agentos.auth")


@dataclass(frozen=True, slots=True)
class Review:
    """An app and its policy."""

    app: Starlette
    guard: Guard

    def answer(self, method: str, path: str, scopes: frozenset[str]) -> tuple[Explanation, Found]:
        """Explains the response to a user who holds `scopes`, and finds the route."""
        found = asked(self.app, method, path)
        access = self.guard.access(Principal(user_id="somebody", scopes=scopes), Decision())
        return explain(access, method, path, is_ours=found.is_ours, is_foreign=found.is_foreign), found

    def matrix(self) -> list[Row]:
        """Every route with its requirements."""
        return rows(self.guard.policy, every(self.app))

    def findings(self) -> list[Finding]:
        """The lint's findings in the scope map."""
        return lint(self.guard.policy, every(self.app))


def review(app: Starlette) -> Review:
    """The app's review. ConfigurationError if it has no policy."""
    guard = guard_of(app)
    if guard is None:
        raise ConfigurationError("This app has no authorization: add JWTMiddleware to it.")
    return Review(app, guard)


def warn(app: Starlette) -> None:
    """Logs lint findings as warnings. If the middleware is `strict`, ConfigurationError with all of them."""
    guard = guard_of(app)
    if guard is None:
        return
    found = [finding.message for finding in Review(app, guard).findings()]
    if guard.strict and found:
        raise ConfigurationError(f"strict=True refuses this scope map. {' '.join(found)}")
    for message in found:
        logger.warning("Scope map: %s", message)
