"""Policy tests: what an operator expects of a scope map, kept as YAML next to it.

cases:
  - name: readers don't run agents
    scopes: [app:read]
    request: POST /agents/research-agent/runs
    expected: deny
    missing: [app:run, app:execute]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.applications import Starlette

from agentos.errors import ConfigurationError
from agentos.os.auth.review import Review
from agentos.os.http.lookup import every
from agentos.os.policy.matrix import as_rule
from agentos.os.policy.rules import split


def _listed(value: object) -> object:
    return value.split() if isinstance(value, str) else value


class Case(BaseModel):
    """One expectation. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    scopes: Annotated[list[str], BeforeValidator(_listed)]
    """A list, or one text with spaces."""
    request: str = Field(pattern=r"^[A-Za-z]+ /\S*$")
    """Method and path, as in `GET /agents/web`."""
    expected: Literal["allow", "deny"]
    reason: str | None = None
    """The expected code of the explanation."""
    missing: Annotated[list[str], BeforeValidator(_listed)] | None = None

    @property
    def title(self) -> str:
        """Its name, or its request."""
        return self.name or f"{self.request} with {' '.join(self.scopes) or 'no scopes'}"

    @property
    def asked(self) -> tuple[str, str]:
        """Method and path."""
        method, path = self.request.split(" ", 1)
        return method.upper(), path


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    cases: list[Case] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Failure:
    """A case whose decision differs from the expected one."""

    case: Case
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all cases."""

    failures: list[Failure]
    covered: list[str]
    """Routes that a case requests, as `GET /agents`. Public routes don't count."""
    uncovered: list[str]

    @property
    def share(self) -> float:
        """Share of the routes that is covered, from 0 to 1."""
        total = len(self.covered) + len(self.uncovered)
        return len(self.covered) / total if total else 1.0


def load(path: Path) -> list[Case]:
    """Reads a file of cases. ConfigurationError names the invalid field."""
    try:
        found: Any = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} can't be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{str(path)!r} isn't YAML.") from error
    try:
        return _File.model_validate(found).cases
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ConfigurationError(f"{str(path)!r}: {field}: {first['msg']}.") from error


def check(review: Review, cases: Sequence[Case]) -> Report:
    """Evaluates each case against the app's policy, as a user with an id."""
    failures = [Failure(case, message) for case in cases for message in _wrong(review, case)]
    routes = list(_guarded(review))
    asked_for = {route for case in cases if (route := _route(review.app, case)) is not None}
    return Report(
        failures,
        covered=[route for route in routes if route in asked_for],
        uncovered=[route for route in routes if route not in asked_for],
    )


def _wrong(review: Review, case: Case) -> Iterator[str]:
    answer, found = review.answer(*case.asked, frozenset(case.scopes))
    if not found.is_full:
        yield f"no route serves {case.request}"
        return
    given = "allow" if answer.allowed else "deny"
    if given != case.expected:
        rule = f" by {answer.decision.rule!r}" if answer.decision.rule else ""
        yield f"expected {case.expected}, got {given} ({answer.code}{rule})"
    elif case.reason not in {None, answer.code}:
        yield f"expected the reason {case.reason}, got {answer.code}"
    elif case.missing is not None and set(case.missing) != set(answer.decision.missing):
        yield f"expected missing {sorted(case.missing)}, got {sorted(answer.decision.missing)}"


def _guarded(review: Review) -> Iterator[str]:
    for route in every(review.app):
        for method in route.methods:
            if review.guard.policy.open_to_all(method, route.path) is None:
                yield f"{method} {route.path}"


def _route(app: Starlette, case: Case) -> str | None:
    """The route that a case requests, in the format of `_guarded`."""
    method, path = case.asked
    segments = split(path)
    for route in every(app):
        for its in route.methods:
            is_asked = segments is not None and its in {method, "*"} and as_rule(route.path).matches(segments)
            if is_asked:
                return f"{its} {route.path}"
    return None
