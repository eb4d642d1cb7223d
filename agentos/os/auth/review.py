"""What stands in front of an app, looked at before it serves, or without serving it."""

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
    """An app and what judges its requests."""

    app: Starlette
    guard: Guard

    def answer(self, method: str, path: str, scopes: frozenset[str]) -> tuple[Explanation, Found]:
        """What a user who holds `scopes` is answered, and by which route."""
        found = asked(self.app, method, path)
        access = self.guard.access(Principal(user_id="somebody", scopes=scopes), Decision())
        return explain(access, method, path, is_ours=found.is_ours, is_foreign=found.is_foreign), found

    def matrix(self) -> list[Row]:
        """Every route with what it needs."""
        return rows(self.guard.policy, every(self.app))

    def findings(self) -> list[Finding]:
        """What the lint finds in the scope map."""
        return lint(self.guard.policy, every(self.app))


def review(app: Starlette) -> Review:
    """The app's review; ConfigurationError if nothing judges its requests."""
    guard = guard_of(app)
    if guard is None:
        raise ConfigurationError("Nothing judges the requests of this app: add JWTMiddleware to it.")
    return Review(app, guard)


def warn(app: Starlette) -> None:
    """Warns of what the lint finds; ConfigurationError with all of it if the middleware is `strict`."""
    guard = guard_of(app)
    if guard is None:
        return
    found = [finding.message for finding in Review(app, guard).findings()]
    if guard.strict and found:
        raise ConfigurationError(f"strict=True refuses this scope map. {' '.join(found)}")
    for message in found:
        logger.warning("Scope map: %s", message)
