"""What a team is made of, and what can't be one."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest

from agentos.agent import Agent
from agentos.errors import ConfigurationError
from agentos.models.base import ModelRequest
from agentos.team import Team, TeamMode
from tests.team.teams import give, member, says, team

DELEGATE = {
    "name": "delegate_task_to_member",
    "description": "Gives a task to a member, and returns the member's answer.",
    "parameters": {
        "type": "object",
        "properties": {
            "member_id": {"type": "string", "description": "The member's id."},
            "task": {
                "type": "string",
                "description": "What the member is to do, with everything that it needs to know.",
            },
        },
        "required": ["member_id", "task"],
        "additionalProperties": False,
    },
}
DELEGATE_TO_ALL = {
    "name": "delegate_task_to_members",
    "description": "Gives the same task to all members, and returns the answer of each.",
    "parameters": {
        "type": "object",
        "properties": {
            "task": {
                "type": "string",
                "description": "What the members are to do, with everything that they need to know.",
            }
        },
        "required": ["task"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("coordinate", [DELEGATE]), ("route", [DELEGATE]), ("broadcast", [DELEGATE_TO_ALL])],
)
async def test_the_leaders_tools_have_these_schemas(mode, expected):
    requests: list[ModelRequest] = []
    await team("done", members=[member("alpha")], mode=mode, seen=requests).arun("hi")
    tools = [
        {"name": each.name, "description": each.description, "parameters": dict(each.parameters)}
        for each in requests[0].tools
    ]
    assert json.loads(json.dumps(tools)) == expected


@pytest.mark.parametrize("mode", TeamMode)
def test_a_mode_may_be_given_as_text(mode):
    for given in (mode, mode.value):
        made = team(members=[member("alpha")], mode=given)
        assert made.mode is mode


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, TeamMode.COORDINATE),
        ({"respond_directly": True}, TeamMode.ROUTE),
        ({"respond_directly": True, "mode": "route"}, TeamMode.ROUTE),
        ({"delegate_to_all_members": True}, TeamMode.BROADCAST),
    ],
)
def test_a_mode_may_have_another_word(settings, mode):
    assert team(members=[member("alpha")], **settings).mode is mode


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"members": []}, "The team 'team' has no members: give members=[…]."),
        ({"members": "alpha"}, "members of the team 'team' must be a list: members=[…]."),
        ({"members": member("alpha")}, "members of the team 'team' must be a list: members=[…]."),
        ({"members": Agent}, "members of the team 'team' must be a list: members=[…]."),
        ({"members": [Agent]}, "A member of the team 'team' is the class Agent: give an object of it."),
        (
            {"members": ["alpha"]},
            "A member of the team 'team' is of type str: give agents, teams, or objects",
        ),
        (
            {"members": [member("alpha"), member("alpha")]},
            "Two members of the team 'team' have the id 'alpha': give one another id=….",
        ),
        ({"mode": "routing"}, "mode='routing' is invalid: give one of coordinate, route, broadcast, tasks."),
        ({"mode": ["route"]}, "mode=['route'] is invalid: give one of coordinate, route, broadcast, tasks."),
        ({"mode": "coordinate", "respond_directly": True}, "A team has one mode, not coordinate and route."),
        (
            {"delegate_to_all_members": True, "respond_directly": True},
            "A team has one mode, not broadcast and route.",
        ),
        ({"max_iterations": 0}, "max_iterations=0 is invalid: give a whole number, 1 or more."),
        ({"max_iterations": "3"}, "max_iterations='3' is invalid: give a whole number, 1 or more."),
        ({"num_team_history_runs": 0}, "num_team_history_runs=0 is invalid: give a whole number, 1 or more."),
        ({"num_history_runs": 0}, "num_history_runs=0 is invalid: give a whole number, 1 or more."),
        ({"member": []}, "Team has no parameter 'member'. Did you mean 'members'?"),
    ],
)
def test_what_makes_no_team_says_why(settings, problem):
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        team(**{"members": [member("alpha")]} | settings)


async def test_what_a_function_returns_is_checked_when_a_run_starts():
    functions = (lambda: None, lambda: [Agent], lambda: [member("alpha")])
    runs = [await team("done", members=each).arun("hi") for each in functions]
    assert [run.content for run in runs] == [
        "members of the team 'team' must be a list: members=[…].",
        "A member of the team 'team' is the class Agent: give an object of it.",
        "done",
    ]
    assert [run.error_type for run in runs] == ["configuration", "configuration", None]


def test_a_team_cant_be_its_own_member():
    inner = team(members=[member("alpha")], called="inner")
    middle = team(members=[inner], called="middle")
    assert team(members=[middle, inner], called="outer").members == (middle, inner)
    inner.members = [middle]
    with pytest.raises(
        ConfigurationError, match="A team can't be its own member: outer → middle → inner → middle"
    ):
        team(members=[middle], called="outer")


def test_a_tool_cant_have_the_name_of_the_teams_own():
    def delegate_task_to_member(task: str) -> str:
        """Not this one."""
        return task

    with pytest.raises(ConfigurationError, match="Two tools are named 'delegate_task_to_member'"):
        team(members=[member("alpha")], tools=[delegate_task_to_member])
    assert team(members=[member("alpha")], mode="broadcast", tools=[delegate_task_to_member])


def test_a_team_takes_whatever_an_agent_takes():
    names = {each.name for each in fields(Team)}
    assert {each.name for each in fields(Agent)} <= names
    assert len(names) <= 60


async def test_the_leader_knows_its_members_and_its_mode():
    def add(a: int) -> int:
        """Adds."""
        return a

    alpha = Agent(id="alpha", name="Alpha", role="Finds things.", model=says("x"), tools=[add])
    for shown in (False, True):
        requests: list[ModelRequest] = []
        await team(
            "done", members=[alpha, member("beta")], seen=requests, add_member_tools_to_context=shown
        ).arun("hi")
        told = str(requests[0].messages[0].content)
        line = "- alpha (Alpha): Finds things." + (" Tools: add." if shown else "")
        assert f"<team_members>\n{line}\n- beta\n</team_members>\n\nYou lead these members." in told


async def test_one_agent_may_be_a_member_of_many_teams():
    alpha = member("alpha")
    inner = team(give(("alpha", "A")), "inner", members=[alpha], called="inner")
    outer = team(give(("alpha", "A"), ("inner", "I")), "outer", members=[alpha, inner])
    run = await outer.arun("hi")
    assert [each.result for each in run.tools] == ["alpha says: A", "inner"]
