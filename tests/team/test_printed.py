"""`print_response` of a team."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from agentos.agent import Agent
from agentos.models.function import FunctionModel
from agentos.models.offline import OfflineModel
from agentos.team import Team

ASK = 'use delegate_task_to_member with {"member_id": "alpha", "task": "Sunday?"}'


async def printed(**options: object) -> str:
    alpha = Agent(name="Alpha", model=FunctionModel(lambda request: iter(["Sunny", " and", " warm"])))
    out = StringIO()
    team = Team(model=OfflineModel(), members=[alpha], **options)  # type: ignore[arg-type]
    await team.aprint_response(ASK, console=Console(file=out, width=120))
    return out.getvalue()


@pytest.mark.parametrize(
    ("options", "times"),
    [({}, 1), ({"show_members_responses": True}, 2)],
    ids=["only in the leader's answer", "in a panel too"],
)
async def test_a_members_words_are_shown_if_they_are_wanted(options: dict[str, bool], times: int) -> None:
    text = await printed(**options)
    assert "• Alpha done" in text
    assert text.count("Sunny and warm") == times


async def test_a_routed_answer_is_shown_once() -> None:
    text = await printed(mode="route")
    assert "• Alpha done" in text
    assert text.count("Sunny and warm") == 1
