"""Teams that work on tasks: what the leader says is written down, what members say is told by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.errors import ModelError
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.events import RunEvent
from agentos.run.messages import Message, ToolCall
from agentos.run.owner import ANYONE
from agentos.run.records import RunOutput
from agentos.run.wire import encode_event
from agentos.team import Team
from agentos.tools import tool
from tests.agent.models import call

Turn = str | Sequence[ToolCall]


def created(title: str, *depends_on: str, assignee: str | None = "alpha", call_id: str = "c") -> ToolCall:
    given = {"title": title, "assignee": assignee, "depends_on": list(depends_on)}
    return call("create_task", given, call_id)


def executed(task_id: str, member_id: str = "alpha", *, call_id: str = "x") -> ToolCall:
    return call("execute_task", {"task_id": task_id, "member_id": member_id}, call_id)


def together(*task_ids: str) -> ToolCall:
    return call("execute_tasks_parallel", {"task_ids": list(task_ids)}, "p")


def completed(summary: str = "done") -> ToolCall:
    return call("mark_all_complete", {"summary": summary}, "m")


def leader(*turns: Turn) -> FunctionModel:
    """A model that says `turns`, each at its place in the conversation: also in another process."""

    def respond(request: ModelRequest) -> ModelResponse:
        turn = turns[sum(message.role == "assistant" for message in request.messages)]
        return ModelResponse(content=turn) if isinstance(turn, str) else ModelResponse(tool_calls=list(turn))

    return FunctionModel(respond, id="leader")


class Members:
    """Three that answer: `alpha` and `beta` always, `gamma` at its second try; and one that asks a person."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.paid: list[int] = []

    def all(self) -> list[Agent]:
        return [self._member("alpha"), self._member("beta"), self._member("gamma"), self._payer()]

    def _member(self, name: str) -> Agent:
        def respond(request: ModelRequest) -> ModelResponse:
            self.asked[name] += 1
            if name == "gamma" and self.asked[name] == 1:
                raise ModelError("It is overloaded.", code="model_overloaded")
            return ModelResponse(content=f"{name} says: {request.messages[-1].content}")

        return Agent(name=name, model=FunctionModel(respond, id=name))

    def _payer(self) -> Agent:
        def respond(request: ModelRequest) -> ModelResponse:
            last = request.messages[-1]
            self.asked["payer"] += last.role == "user"
            if last.role == "tool":
                return ModelResponse(content=last.content)
            return ModelResponse(tool_calls=[call("pay", {"amount": 5}, "pay-1")])

        @tool(requires_confirmation=True)
        def pay(amount: int) -> str:
            """Pays."""
            self.paid.append(amount)
            return f"paid {amount}"

        return Agent(name="payer", model=FunctionModel(respond, id="payer"), tools=[pay])


def team(*turns: Turn, db: Db | None = None, members: Members | None = None, **settings: Any) -> Team:
    listed = (members or Members()).all()
    return Team(name="t-tasks", mode="tasks", members=listed, model=leader(*turns), db=db, **settings)


async def played(team: Team, question: str = "go", **options: Any) -> tuple[RunOutput, list[RunEvent]]:
    """A run with its events."""
    events = [event async for event in team.arun(question, stream=True, stream_events=True, **options)]
    last = events[-1]
    assert last.is_final
    assert last.origin is not None
    assert team.db is not None
    run = await team.db.get_run(last.origin.run_id, session_id=last.origin.session_id, owner=ANYONE)
    assert run is not None
    return run, events


def of_team(events: Sequence[RunEvent]) -> list[str]:
    """What the team's own events are called, without those of its model."""
    own = [event for event in events if event.origin is not None and event.origin.kind == "team"]
    names = [encode_event(event)[0].removeprefix("Team") for event in own]
    return [name for name in names if not name.startswith(("ModelRequest", "RunContent"))]


def statuses(events: Sequence[RunEvent]) -> list[tuple[str, str, str]]:
    """The changes of tasks."""
    return [(e.task_id, e.previous_status, e.status) for e in events if e.event == "TaskUpdated"]


def answers(messages: Sequence[Message]) -> list[tuple[str | None, str | None]]:
    """What tools have answered the leader, each with whether it is an error."""
    return [(each.content, each.tool_call_error) for each in messages if each.role == "tool"]
