"""Whatever a tree of teams and agents does, its story is whole: properties that hold for random trees."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agentos.agent import Agent
from agentos.db.contracts.events import LoggedEvent
from agentos.db.postgres import PostgresDb
from agentos.errors import ModelError
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.events import RunEvent
from agentos.run.messages import Metrics, ToolCall
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.run.request import RunRequest
from agentos.run.wire import decode_event
from agentos.runner.continuation import Continuation
from agentos.runner.events.reader import Batches
from agentos.runner.service import RunService
from agentos.team import Team
from agentos.tools import ToolError, tool
from tests.agent.models import call
from tests.team.teams import give, give_all, heard, rows

# Without shrinking: it would take minutes, and the trees are small.
QUIET = settings(
    max_examples=12,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
numbers = count()


@dataclass(frozen=True)
class Plan:
    """What a runnable does: tools that it calls at once, whether its model then fails, its members."""

    tools: Sequence[str]
    fails: bool
    mode: str = ""
    members: Sequence[Plan] = ()


AGENTS = st.builds(
    Plan,
    tools=st.lists(st.sampled_from(["succeed", "fail", "pause"]), max_size=2),
    fails=st.sampled_from([False, False, False, True]),
)
MODES = st.sampled_from(["coordinate", "route", "broadcast"])
TOOLS = st.lists(st.sampled_from(["succeed", "pause"]), max_size=1)


def teams(members: st.SearchStrategy[Plan]) -> st.SearchStrategy[Plan]:
    some = st.lists(members, min_size=1, max_size=3)
    return st.builds(Plan, tools=TOOLS, fails=st.just(value=False), mode=MODES, members=some)


TREES = teams(AGENTS | teams(AGENTS | teams(AGENTS)))


async def succeed() -> str:
    """Succeeds."""
    return "done"


async def fail() -> str:
    """Fails."""
    raise ToolError("It can't be done.")


@tool(requires_confirmation=True)
async def pause() -> str:
    """Waits for a person."""
    return "done"


@dataclass
class Tree:
    """The runnables of a plan, made anew by each process, and the tokens that their models have used."""

    plan: Plan
    db: PostgresDb
    tokens: int = 0

    def made(self) -> Team:
        made = self._made(self.plan, "0")
        assert isinstance(made, Team)
        made.db = self.db
        return made

    def _made(self, plan: Plan, name: str) -> Agent | Team:
        members = [self._made(each, f"{name}-{number}") for number, each in enumerate(plan.members)]
        calls = [call(each, {}, f"tool-{number}") for number, each in enumerate(plan.tools)]
        if plan.mode == "broadcast":
            calls += give_all("go")
        elif plan.mode:
            asked = members[:1] if plan.mode == "route" else members
            calls += give(*((each.id, "go") for each in asked))
        model = FunctionModel(lambda request: self._respond(request, calls, fails=plan.fails), id=name)
        tools = [succeed, fail, pause]
        if not plan.mode:
            return Agent(id=name, model=model, tools=tools)
        return Team(id=name, model=model, tools=tools, members=members, mode=plan.mode)

    def _respond(self, request: ModelRequest, calls: list[ToolCall], *, fails: bool) -> ModelResponse:
        has_called = bool(heard(request)) or not calls
        if fails and has_called:
            raise ModelError("No.", code="model_error")
        self.tokens += 10
        metrics = Metrics(output_tokens=10, total_tokens=10)
        if has_called:
            return ModelResponse(content=f"said by {id(self)}", metrics=metrics)
        return ModelResponse(content="Let me see. ", tool_calls=calls, metrics=metrics)


@dataclass
class Story:
    """A run that is continued by one process after another until it has ended."""

    tree: Tree
    session_id: str
    run: RunOutput | None = None

    async def told(self, *, streamed: bool, decisions: st.DataObject) -> list[LoggedEvent]:
        """All of its events, as they were streamed."""
        events = await self._segment(streamed=streamed, answers=None)
        while self.run is not None and self.run.is_paused:
            wanted = self.run.requirements
            some = decisions.draw(st.lists(st.sampled_from(range(len(wanted))), min_size=1, unique=True))
            answers = [
                {
                    "tool_call_id": wanted[each].id,
                    "member_run_id": wanted[each].member_run_id,
                    "confirmed": decisions.draw(st.booleans()),
                }
                for each in some
            ]
            events += await self._segment(streamed=streamed, answers=answers)
        return events

    async def _segment(self, *, streamed: bool, answers: list[dict[str, object]] | None) -> list[LoggedEvent]:
        leading = self.tree.made()
        runs = RunService([leading], [self.tree.db])
        async with runs.running(grace=5), asyncio.timeout(20):
            if answers is None:
                request = RunRequest(
                    input=RunInput(input_content="go"),
                    session_id=self.session_id,
                    user_id="ann",
                    stream=streamed,
                )
                started = await runs.start(leading, request)
            else:
                assert self.run is not None
                going_on = Continuation(answers=answers, stream=streamed)
                started = await runs.proceed(leading, self.run, going_on, owner="ann")
            assert started.live is not None
            events = await read(started.live.buffer.follow_batches(started.after))
            self.run = await runs.finished(leading, started)
            for cut in {0, len(events) // 2, len(events) - 1} if streamed else ():
                after = events[cut].seq
                again = runs.source_of(leading, self.run)(after)
                assert await read(again) == events[cut + 1 :]
        return events


async def read(batches: Batches) -> list[LoggedEvent]:
    return [event async for batch in batches for event in batch]


def check_events(events: Sequence[RunEvent], found: Sequence[RunOutput]) -> None:
    """Starts and ends pair up in each run, and each segment ends with its only final event."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    by_run: defaultdict[str, list[RunEvent]] = defaultdict(list)
    for event in events:
        assert event.origin is not None
        by_run[event.origin.run_id].append(event)
    assert by_run.keys() == {run.run_id for run in found}
    for run in found:
        own = by_run[run.run_id]
        assert own[0].event == "RunStarted"
        assert [event.event for event in own if event.is_final][-1] == own[-1].event
        assert Counter(event.event for event in own)["RunStarted"] == 1
        for before, after in pairwise(own):
            assert not before.is_final or (before.event, after.event) == ("RunPaused", "RunContinued")
        check_pairs(own, is_cut_off=run.status is not RunStatus.COMPLETED)


def check_pairs(own: Sequence[RunEvent], *, is_cut_off: bool) -> None:
    calls: defaultdict[str, list[str]] = defaultdict(list)
    for event in own:
        if event.event.startswith("ToolCall"):
            calls[event.tool.tool_call_id].append(event.event)  # type: ignore[union-attr]
    for names in calls.values():
        if names[0] == "ToolCallStarted":
            assert len(names) == 2 or (is_cut_off and len(names) == 1), names
            assert set(names[1:]) <= {"ToolCallCompleted", "ToolCallError"}
        else:
            assert names == ["ToolCallError"]  # rejected, so it was never made
    turns = Counter(event.event for event in own if event.event.startswith("ModelRequest"))
    open_turns = turns["ModelRequestStarted"] - turns["ModelRequestCompleted"]
    assert open_turns == 0 or (is_cut_off and open_turns == 1)


def check_rows(found: Sequence[RunOutput]) -> None:
    """Each run has ended, and stands below a run of the tree."""
    by_id = {run.run_id: run for run in found}
    (root,) = [run for run in found if run.parent_run_id is None]
    for run in found:
        assert run.status.is_final
        assert (run.error_type is not None) == (run.status is RunStatus.ERROR)
        if run is not root:
            assert run.parent_run_id is not None
            assert (run.root_run_id, run.depth) == (
                root.run_id,
                (by_id[run.parent_run_id].depth or 0) + 1,
            )


@pytest.mark.parametrize("streamed", [True, False])
@QUIET
@given(plan=TREES, decisions=st.data())
async def test_the_story_of_a_tree_is_whole(db, streamed, plan, decisions):
    tree = Tree(plan, db)
    story = Story(tree, f"s{next(numbers)}")
    events = await story.told(streamed=streamed, decisions=decisions)
    found = await rows(db, story.session_id)
    check_rows(found)
    check_events([decode_event(event.text) for event in events], found)
    if streamed:
        logged = await db.read_events(story.run.run_id, after=0, owner=ANYONE)
        assert [line.seq for line in logged] == [event.seq for event in events]
    session = await db.get_session(story.session_id, owner="ann")
    root = await db.get_run(story.run.run_id, owner="ann")
    assert session.metrics.total_tokens == root.metrics.total_tokens == tree.tokens
