"""Leaders and members whose models say what a test wants, in every process the same."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from agentos.agent import Agent
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.messages import Message, Metrics, ToolCall
from agentos.run.owner import ANYONE
from agentos.run.records import RunOutput
from agentos.run.requirement import RunRequirement
from agentos.team import Team
from tests.agent.models import call

Turn = str | Sequence[ToolCall] | Exception | Callable[[ModelRequest], str]
"""What a model says in one turn: text, calls, a failure, or text made from what it was asked."""


def asked(request: ModelRequest) -> str:
    """What the run was asked."""
    return str(_own(request)[0].content)


def heard(request: ModelRequest) -> list[Message]:
    """The answers to the calls of the run so far."""
    return [message for message in _own(request) if message.role == "tool"]


def _own(request: ModelRequest) -> list[Message]:
    return [message for message in request.messages if message.role != "system" and not message.from_history]


def says(
    *turns: Turn, called: str = "leader", tokens: int = 0, seen: list[ModelRequest] | None = None
) -> Any:
    """A model that says `turns` one after another in each run, streamed word by word."""

    def respond(request: ModelRequest) -> AsyncGenerator[str | ModelResponse]:
        if seen is not None:
            seen.append(request)
        number = sum(message.role == "assistant" for message in _own(request))
        return _said(turns[number], request, tokens)

    return FunctionModel(respond, id=called)


async def _said(turn: Turn, request: ModelRequest, tokens: int) -> AsyncGenerator[str | ModelResponse]:
    metrics = Metrics(output_tokens=tokens, total_tokens=tokens)
    if isinstance(turn, Exception):
        raise turn
    if callable(turn) or isinstance(turn, str):
        text = turn if isinstance(turn, str) else turn(request)
        for piece in text.splitlines(keepends=True) or [""]:
            yield piece
        yield ModelResponse(content=text, metrics=metrics)
    else:
        yield ModelResponse(tool_calls=list(turn), metrics=metrics)


def member(name: str, *turns: Turn, **settings: Any) -> Agent:
    """An agent that answers `<name> says: <task>`, or with `turns`."""
    made = {key: settings.pop(key) for key in ("tokens", "seen") if key in settings}
    model = says(*(turns or (lambda request: f"{name} says: {asked(request)}",)), called=name, **made)
    return Agent(id=name, model=model, **settings)


def give(*tasks: tuple[str, str]) -> list[ToolCall]:
    """Calls that give each member its task."""
    return [
        call("delegate_task_to_member", {"member_id": member_id, "task": task}, f"give-{number}")
        for number, (member_id, task) in enumerate(tasks, 1)
    ]


def give_all(task: str) -> list[ToolCall]:
    """A call that gives all members one task."""
    return [call("delegate_task_to_members", {"task": task}, "give-all")]


def team(*turns: Turn, members: Any, called: str = "team", **settings: Any) -> Team:
    """A team whose leader says `turns`."""
    made = {key: settings.pop(key) for key in ("tokens", "seen") if key in settings}
    return Team(id=called, members=members, model=says(*turns, **made), **settings)


def results(run: RunOutput) -> list[str | None]:
    """What the calls of a run were answered with."""
    return [execution.result for execution in run.tools]


def labelled(text: str | None) -> dict[str, dict[str, str]]:
    """The answers of a broadcast by member."""
    return {each["member_id"]: each for each in json.loads(text or "")}


def confirmed(requirements: Sequence[RunRequirement], *, yes: bool = True) -> list[RunRequirement]:
    """The requirements, all decided."""
    for each in requirements:
        each.confirm() if yes else each.reject()
    return list(requirements)


async def rows(db: Any, session_id: str = "s") -> list[RunOutput]:
    """All runs of the session, nested ones too."""
    return list(await db.list_runs(session_id, owner=ANYONE, nested=True))


async def row(db: Any, runnable_id: str, session_id: str = "s") -> RunOutput:
    """The only run of the runnable."""
    (found,) = [each for each in await rows(db, session_id) if each.runnable_id == runnable_id]
    return found
