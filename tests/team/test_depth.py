"""A team of teams of teams ends somewhere."""

from __future__ import annotations

import json

import pytest

from agentos.agent import Agent
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.messages import FunctionCall, ToolCall
from agentos.run.records import RunOutput, RunStatus
from agentos.runner.execution.child import MAX_DEPTH
from agentos.team import Team


def delegates(request: ModelRequest) -> ModelResponse | str:
    if request.messages[-1].role == "tool":
        return "done"
    arguments = json.dumps({"member_id": "member", "task": "go on"})
    call = FunctionCall(name="delegate_task_to_member", arguments=arguments)
    return ModelResponse(tool_calls=[ToolCall(id="c", function=call)])


def tower(levels: int) -> Agent | Team:
    """An agent with so many teams above it."""
    top: Agent | Team = Agent(id="member", model=FunctionModel(lambda request: "at the bottom"))
    for _ in range(levels):
        top = Team(id="member", model=FunctionModel(delegates), members=[top])
    return top


def levels_of(run: RunOutput) -> list[RunOutput]:
    return [run, *(below for child in run.children for below in levels_of(child))]


@pytest.mark.parametrize(
    ("levels", "status", "error"),
    [(MAX_DEPTH, RunStatus.COMPLETED, None), (MAX_DEPTH + 1, RunStatus.ERROR, "too_deep")],
)
async def test_a_level_too_many_fails_every_run_above_it(
    levels: int, status: RunStatus, error: str | None
) -> None:
    runs = levels_of(await tower(levels).arun("go on"))
    assert len(runs) == MAX_DEPTH + 1
    assert {(run.status, run.error_type) for run in runs} == {(status, error)}
