"""The runnables, databases and runs of one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, Protocol, cast

from starlette.applications import Starlette

from agentos.db.base import Db
from agentos.errors import ConfigurationError, NotFoundError
from agentos.kinds import Kind, spelling
from agentos.os.audit.log import AuditLog
from agentos.os.config import AgentOSConfig
from agentos.os.http.pace import Pace
from agentos.os.http.streams import Streams
from agentos.os.policy.default_scopes import RESERVED_FAMILIES
from agentos.os.tokens.usage import Usage
from agentos.run.bounds import JSON_LIMITS, JsonLimits
from agentos.runner.service import RunService
from agentos.runner.settings import Configured


class Served(Configured, Protocol):
    """A runnable for `AgentOS`. Its runs are stored in `db`, which may be set later."""

    db: Db | None


Parameter = Literal["agents", "teams"]
"""A parameter of `AgentOS` that takes runnables."""

_EXAMPLES: Final[Mapping[Parameter, str]] = {"agents": "an agent, Agent(…)", "teams": "a team, Team(…)"}


def listed(given: object, parameter: Parameter) -> list[Served]:
    """The runnables that `AgentOS` serves. ConfigurationError names what isn't one, or belongs elsewhere.

    Runnables of custom kinds belong into `agents`.
    """
    if isinstance(given, Configured):
        one = parameter.removesuffix("s")
        raise ConfigurationError(f"{parameter} is a single {one}: give a list, {parameter}=[…].")
    if isinstance(given, str) or not isinstance(given, Iterable):
        name = type(given).__name__
        raise ConfigurationError(f"{parameter} is of type {name}: give a list of {parameter}.")
    found = list(cast("Iterable[object]", given))
    for place, each in enumerate(found):
        if isinstance(each, type):
            raise ConfigurationError(
                f"{parameter}[{place}] is the class {each.__name__}: give an object of it."
            )
        if not isinstance(each, Configured):
            name = type(each).__name__
            raise ConfigurationError(f"{parameter}[{place}] is of type {name}: give {_EXAMPLES[parameter]}.")
        expected = "teams" if each.kind == "team" else "agents"
        if expected != parameter:
            raise ConfigurationError(
                f"{parameter}[{place}] is of the kind {each.kind!r}: give it in {expected}=[…]."
            )
    return cast("list[Served]", found)


class Registry:
    """Runnables by kind and id, databases by id. Sets its `db` on runnables that have none.

    Members of teams aren't in it: their runs are stored with the team's.
    """

    def __init__(self, runnables: Sequence[Served], *, db: Db | None) -> None:
        if isinstance(db, str):
            raise ConfigurationError("db is text: give PostgresDb(…) with that address.")
        self._runnables: dict[tuple[Kind, str], Served] = {}
        for runnable in runnables:
            self._add(runnable, db)
        self.kinds = list(dict.fromkeys(["agent", *(kind for kind, _ in self._runnables)]))
        """The kinds that have routes: agents, and what else is served."""
        self.families = tuple(spelling(kind).family for kind in self.kinds)
        own = [runnable.db for runnable in runnables if runnable.db is not None]
        self.default_db = db or next(iter(own), None)
        """The database for sessions and memories if a request names none."""
        self.dbs = list({id(each): each for each in ([db] if db else []) + own}.values())
        """Each database once. Several may share an id and differ in their tables."""

    def _add(self, runnable: Served, db: Db | None) -> None:
        family = spelling(runnable.kind).family
        if family in RESERVED_FAMILIES:
            raise ConfigurationError(
                f"The paths /{family} or the scopes {family}:… are taken:"
                f" give the kind {runnable.kind!r} another name."
            )
        key = (runnable.kind, runnable.id)
        if not runnable.id or "/" in runnable.id:
            raise ConfigurationError(f"{runnable.kind}s: the id {runnable.id!r} can't be part of an address.")
        if key in self._runnables:
            raise ConfigurationError(f"{runnable.kind}s: two have the id {runnable.id!r}; give one another.")
        self._runnables[key] = runnable
        if runnable.db is None:
            runnable.db = db

    def get(self, kind: Kind, id: str) -> Served:  # noqa: A002 - the wire's word
        """One runnable; NotFoundError names its kind."""
        runnable = self._runnables.get((kind, id))
        if runnable is None:
            raise NotFoundError(kind.capitalize())
        return runnable

    def __iter__(self) -> Iterator[Served]:
        return iter(self._runnables.values())

    def all(self, kind: Kind) -> list[Served]:
        """All runnables, in the given order."""
        return [runnable for (its_kind, _), runnable in self._runnables.items() if its_kind == kind]


@dataclass(frozen=True, slots=True)
class Server:
    """What the routes and the middleware of one app share; stored in `app.state.agentos`."""

    id: str
    registry: Registry
    config: AgentOSConfig
    runs: RunService
    name: str | None = None
    description: str | None = None
    version: str = "1.0.0"
    has_security_key: bool = False
    audit: AuditLog | None = None
    """None if the audit is off."""
    usage: Usage = field(default_factory=Usage)
    json_limits: JsonLimits = JSON_LIMITS
    """On JSON from callers."""
    pace: Pace = field(default_factory=Pace)
    """Of large bodies."""
    streams: Streams = field(default_factory=Streams)
    instantiated_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def served_by(app: Starlette) -> Server | None:
    """The AgentOS of the app; None if it is another app."""
    return app.state.agentos if "agentos" in app.state else None
