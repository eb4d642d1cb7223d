"""The members of a team, and how their runs become answers for its leader."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from agentos.agent.agent import ModelRunnable
from agentos.errors import AgentOSError, ConfigurationError
from agentos.kinds import Kind
from agentos.run.events import RunContent, RunEvent
from agentos.run.last_event import origin_of
from agentos.run.records import RunOutput, RunStatus
from agentos.run.runnable import RunContext, Runnable, called
from agentos.run.text import json_of
from agentos.runner.settings import Configured, RunSettings
from agentos.tools.result import ToolError

Members = Sequence[Runnable] | Callable[..., Sequence[Runnable] | Awaitable[Sequence[Runnable]]]
"""Agents, teams and other runnables, or a function of the run (a parameter `RunContext`, or none)."""

_OF_THE_TREE = frozenset({"budget_exceeded", "too_deep"})
"""Codes of failures that aren't one member's: its parents fail with them too."""


class MemberError(AgentOSError):
    """A member has failed, and the team's run fails with its code."""

    def __init__(self, text: str, *, code: str) -> None:
        super().__init__(text)
        self.code = code


class Roster:
    """The members that the leader may address, by id. ConfigurationError says which of them can't be one."""

    def __init__(self, members: object, *, team_id: str) -> None:
        if isinstance(members, str) or not isinstance(members, Iterable):
            raise ConfigurationError(f"members of the team {team_id!r} must be a list: members=[…].")
        self._members: dict[str, Runnable] = {}
        for given in cast("Iterable[object]", members):
            member = _runnable(given, team_id)
            if member.id in self._members:
                raise ConfigurationError(
                    f"Two members of the team {team_id!r} have the id {member.id!r}: give one another id=…."
                )
            self._members[member.id] = member
        if not self._members:
            raise ConfigurationError(f"The team {team_id!r} has no members: give members=[…].")

    def __iter__(self) -> Iterator[Runnable]:
        return iter(self._members.values())

    @property
    def ids(self) -> Collection[str]:
        """The members' ids."""
        return self._members.keys()

    def member(self, member_id: str) -> Runnable:
        """One member; ToolError lists the known ones."""
        found = self._members.get(member_id)
        if found is None:
            raise ToolError(f"There is no member {member_id!r}. Members: {', '.join(self._members)}.")
        return found

    def described(self, *, with_tools: bool) -> str:
        """The members for the leader's system message."""
        return "\n".join(_described(member, with_tools=with_tools) for member in self._members.values())


async def listed(members: Members, context: RunContext) -> Sequence[Runnable]:
    """The members for this run."""
    return await called(members, context) if callable(members) else members


def check_circle(team: Runnable, members: Sequence[Runnable], above: Sequence[Runnable] = ()) -> None:
    """ConfigurationError if a team is, at whatever depth, its own member."""
    path = [*above, team]
    for member in members:
        if any(member is each for each in path):
            ids = " → ".join(each.id for each in [*path, member])
            raise ConfigurationError(f"A team can't be its own member: {ids}.")
        below = getattr(member, "members", ())
        if isinstance(below, Sequence):
            check_circle(member, cast("Sequence[Runnable]", below), path)


class Routed:
    """A member whose answer is its team's: it speaks for the team, in the schema asked of it."""

    def __init__(self, member: Runnable, team: RunContext) -> None:
        self._member = member
        self._origin = team.speaks_for or origin_of(team.run)
        own = member.settings if isinstance(member, Configured) else RunSettings()
        self.settings = replace(own, output_schema=team.output_schema or own.output_schema)

    @property
    def kind(self) -> Kind:
        """The member's."""
        return self._member.kind

    @property
    def id(self) -> str:
        """The member's."""
        return self._member.id

    @property
    def name(self) -> str | None:
        """The member's."""
        return self._member.name

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """The member's events; its text is the team's."""
        context.speaks_for = self._origin
        async with aclosing(self._member.events(context)) as events:
            async for event in events:
                if isinstance(event, RunContent):
                    event.origin = self._origin
                yield event

    async def aclose(self) -> None:
        """Nothing: the member isn't this run's to close."""


def text_of(run: RunOutput) -> str:
    """What a member has answered, as text."""
    if run.content is None:
        return ""
    return run.content if isinstance(run.content, str) else json_of(run.content)


def failure_of(run: RunOutput, *, is_final: bool) -> MemberError | None:
    """Why the team's run fails with the member's, if it does: always if the member's answer is its own."""
    code = _code(run)
    return MemberError(problem_of(run), code=code) if is_final or code in _OF_THE_TREE else None


def problem_of(run: RunOutput) -> str:
    """What went wrong in a member's run, with its code."""
    said = f": {run.content}" if run.status is RunStatus.ERROR and run.content else "."
    return f"The member {run.runnable_id!r} has failed ({_code(run)}){said}"


def result_of(run: RunOutput) -> Mapping[str, str]:
    """A member's answer among others."""
    if run.status is RunStatus.COMPLETED:
        return {"member_id": run.runnable_id, "status": "completed", "content": text_of(run)}
    return {"member_id": run.runnable_id, "status": "failed", "error": problem_of(run)}


def _runnable(given: object, team_id: str) -> Runnable:
    if isinstance(given, type):
        raise ConfigurationError(
            f"A member of the team {team_id!r} is the class {given.__name__}: give an object of it."
        )
    if not callable(getattr(given, "events", None)):
        raise ConfigurationError(
            f"A member of the team {team_id!r} is of type {type(given).__name__}: give agents, teams, or "
            "objects with kind, id, name and events()."
        )
    return cast("Runnable", given)


def _code(run: RunOutput) -> str:
    return run.error_type or run.status.value.lower()


def _described(member: Runnable, *, with_tools: bool) -> str:
    name = f" ({member.name})" if member.name and member.name != member.id else ""
    line = f"- {member.id}{name}"
    if isinstance(member, ModelRunnable):
        about = [text for text in (member.role, member.description) if text]
        line += f": {' '.join(about)}" if about else ""
        if with_tools and member.known_tools:
            line += f" Tools: {', '.join(member.known_tools)}."
    return line
