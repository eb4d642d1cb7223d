"""Teams at work: who is asked, what the leader hears, and what of it is the team's answer."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from agentos.errors import ModelError
from agentos.run.events import RunContent
from agentos.run.records import RunOutput, RunStatus
from agentos.run.runnable import RunContext
from agentos.runner.settings import RunSettings
from agentos.team.delegation import answers_of
from agentos.team.members import result_of
from agentos.tools.result import MAX_RESULT
from tests.agent.models import call
from tests.runner.script import Script
from tests.team.teams import asked, give, give_all, heard, labelled, member, results, row, rows, team

BOOM = ModelError("boom", code="model_overloaded")


class City(BaseModel):
    name: str


def told(request) -> str:
    """A leader that says what its calls were answered with."""
    return " | ".join(
        f"{'error' if each.tool_call_error else 'ok'}: {each.content}" for each in heard(request)
    )


async def test_a_leader_that_answers_asks_nobody(db):
    for mode in ("coordinate", "route", "broadcast"):
        run = await team("done", members=[member("alpha")], mode=mode, db=db).arun("hi", session_id=mode)
        assert (run.status, run.content) == (RunStatus.COMPLETED, "done")
        assert len(await rows(db, mode)) == 1


async def test_two_calls_of_one_turn_are_linked_to_their_own_members(db):
    leading = team(
        give(("alpha", "A"), ("beta", "B")), told, members=[member("alpha"), member("beta")], db=db
    )
    run = await leading.arun("hi", session_id="s")
    assert run.content == "ok: alpha says: A | ok: beta says: B"
    linked = {each.tool_args["member_id"]: each.child_run_id for each in run.tools}
    for name in ("alpha", "beta"):
        found = await row(db, name)
        assert (found.run_id, found.parent_run_id, found.depth) == (linked[name], run.run_id, 1)
        assert (found.root_run_id, found.session_id) == (run.run_id, "s")


async def test_the_same_member_may_be_asked_twice_in_a_turn(db):
    twice = give(("alpha", "one"), ("alpha", "two"))
    run = await team(twice, told, members=[member("alpha")], db=db).arun("hi", session_id="s")
    assert run.content == "ok: alpha says: one | ok: alpha says: two"
    assert len(await rows(db)) == 3


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_members_failure_is_an_error_that_says_who_and_why(db, streamed):
    failing = team(give(("alpha", "A")), told, members=[member("alpha", BOOM)], db=db)
    if streamed:
        _ = [event async for event in failing.arun("hi", session_id="s", stream=True, stream_events=True)]
    else:
        await failing.arun("hi", session_id="s")
    run, failed = await row(db, "team"), await row(db, "alpha")
    assert (run.status, run.content) == (
        RunStatus.COMPLETED,
        "error: The member 'alpha' has failed (model_overloaded): boom",
    )
    assert run.tools[0].child_run_id == failed.run_id
    assert (failed.status, failed.error_type) == (RunStatus.ERROR, "model_overloaded")


@pytest.mark.parametrize(("said", "ended"), [(BOOM, "ERROR"), ("fine", "COMPLETED")])
async def test_a_routed_members_failure_is_the_teams(db, said, ended):
    routing = team(give(("alpha", "A")), members=[member("alpha", said)], mode="route", db=db)
    await routing.arun("hi", session_id="s")
    run, answered = await row(db, "team"), await row(db, "alpha")
    assert run.status == answered.status == ended
    if ended == "ERROR":
        assert run.error_type == answered.error_type == "model_overloaded"
        assert run.content == "The member 'alpha' has failed (model_overloaded): boom"
    else:
        assert run.content == answered.content == "fine"


async def test_an_unknown_member_is_an_error_that_lists_the_known_ones():
    wrong = give(("gamma", "?"))
    run = await team(wrong, told, members=[member("alpha"), member("beta")]).arun("hi")
    assert run.content == "error: There is no member 'gamma'. Members: alpha, beta."
    routed = await team(wrong, give(("beta", "B")), members=[member("beta")], mode="route").arun("hi")
    assert (routed.status, routed.content) == (RunStatus.COMPLETED, "beta says: B")


async def test_only_direct_members_are_addressable(db):
    inner = team(give(("deep", "D")), "inner done", members=[member("deep")], called="inner")
    outer = team(give(("deep", "x")), give(("inner", "I")), told, members=[inner], db=db)
    run = await outer.arun("hi", session_id="s")
    assert results(run)[0] == "There is no member 'deep'. Members: inner."
    assert results(run)[1] == "inner done"
    assert [each.runnable_id for each in await rows(db)] == ["team", "inner", "deep"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_broadcast_labels_each_answer(db, streamed):
    members = [member("alpha"), member("beta", BOOM), member("gamma", 'x"},{"member_id":"alpha"')]
    asking = team(give_all("go"), told, members=members, mode="broadcast", db=db)
    if streamed:
        _ = [event async for event in asking.arun("hi", session_id="s", stream=True)]
    else:
        await asking.arun("hi", session_id="s")
    run = await row(db, "team")
    assert run.tools[0].tool_call_error is False
    assert labelled(run.tools[0].result) == {
        "alpha": {"member_id": "alpha", "status": "completed", "content": "alpha says: go"},
        "beta": {
            "member_id": "beta",
            "status": "failed",
            "error": "The member 'beta' has failed (model_overloaded): boom",
        },
        "gamma": {"member_id": "gamma", "status": "completed", "content": 'x"},{"member_id":"alpha"'},
    }


@pytest.mark.parametrize("count", [2, 1000])
def test_many_answers_are_cut_but_keep_their_labels(count):
    fields = {"kind": "agent", "session_id": "s", "status": RunStatus.COMPLETED, "content": "x" * MAX_RESULT}
    runs = [RunOutput(run_id=f"r{n}", runnable_id=f"member-{n}", **fields) for n in range(count)]
    result = answers_of(runs, result_of)
    assert len(result.content) < max(MAX_RESULT, 200 * count)
    answers = labelled(result.content)
    assert list(answers) == [run.runnable_id for run in runs]
    assert {each["status"] for each in answers.values()} == {"completed"}
    assert len({each["content"] for each in answers.values()}) == 1


async def test_a_broadcast_fails_only_if_all_members_do():
    members = [member("alpha", BOOM), member("beta", BOOM)]
    run = await team(give_all("go"), "sorry", members=members, mode="broadcast").arun("hi")
    assert (run.status, run.content, run.tools[0].tool_call_error) == (RunStatus.COMPLETED, "sorry", True)


@pytest.mark.parametrize("outer", ["route", "coordinate"])
async def test_a_routed_teams_text_is_its_teams(outer):
    inner = team(give(("alpha", "A")), members=[member("alpha")], mode="route", called="inner")
    asking = team(give(("inner", "I")), "final", members=[inner], mode=outer)
    events = [event async for event in asking.arun("hi", stream=True, stream_events=True)]
    spoken = {event.origin.id: event.content for event in events if isinstance(event, RunContent)}
    answer = "alpha says: A"
    assert spoken == ({"team": answer} if outer == "route" else {"inner": answer, "team": "final"})
    assert events[-1].content == spoken["team"]


async def test_the_teams_content_is_what_its_leader_says():
    asking = team(give(("alpha", "A"), ("beta", "B")), "final", members=[member("alpha"), member("beta")])
    events = [event async for event in asking.arun("hi", stream=True)]
    assert "".join(event.content for event in events if isinstance(event, RunContent)) == "final"


async def test_a_calls_duration_is_that_of_its_member(db):
    run = await team(give(("alpha", "A")), "final", members=[member("alpha")], db=db).arun(
        "hi", session_id="s"
    )
    answered = await row(db, "alpha")
    assert run.tools[0].metrics["duration"] >= answered.metrics.duration > 0


async def test_a_member_may_be_any_runnable(db):
    async def play(context: RunContext):
        yield RunContent(content="one ")
        context.run.content = f"played {context.run.input.input_content}"

    custom = Script(play, RunSettings(), id="custom")
    run = await team(give(("custom", "it")), told, members=[custom], db=db).arun("hi", session_id="s")
    assert run.content == "ok: played it"
    assert (await row(db, "custom")).content == "played it"


async def test_a_coordinating_teams_schema_is_its_own(db):
    requests = []
    alpha = member("alpha", seen=requests)
    asking = team(give(("alpha", "A")), '{"name": "Rome"}', members=[alpha], output_schema=City, db=db)
    run = await asking.arun("hi", session_id="s")
    assert (run.content, run.content_type) == (City(name="Rome"), "City")
    assert requests[0].response_format is None


@pytest.mark.parametrize("nested", [True, False])
async def test_a_routing_team_hands_its_schema_down(db, nested):
    requests = []
    alpha = member("alpha", '{"name": "Rome"}', seen=requests)
    to_alpha = give(("alpha", "A"))
    asking = team(to_alpha, members=[alpha], mode="route", called="inner" if nested else "team")
    if nested:
        asking = team(give(("inner", "I")), members=[asking], mode="route")
    asking.db = db
    run = await asking.arun("hi", session_id="s", output_schema=City)
    assert (run.content, run.content_type) == (City(name="Rome"), "City")
    assert requests[0].response_format.name == "City"
    assert alpha.output_schema is None
    again = await asking.arun("hi", session_id="s2")
    assert (again.content, again.content_type) == ('{"name": "Rome"}', "str")


@pytest.mark.parametrize("mode", ["coordinate", "route"])
async def test_invalid_output_is_corrected_once_and_then_an_error(db, mode):
    def teamed(*turns):
        if mode == "coordinate":
            return team(*turns, members=[member("alpha")], output_schema=City, db=db)
        members = [member("alpha", *turns)]
        return team(give(("alpha", "A")), members=members, mode=mode, output_schema=City, db=db)

    run = await teamed("Rome!", '{"name": "Rome"}').arun("hi", session_id="good")
    assert (run.status, run.content) == (RunStatus.COMPLETED, City(name="Rome"))
    run = await teamed("Rome!", "Rome!!").arun("hi", session_id="bad")
    assert (run.status, run.error_type) == (RunStatus.ERROR, "output_invalid")
    assert (await row(db, "team", "bad")).error_type == "output_invalid"


async def test_a_member_with_a_schema_answers_its_leader_in_json():
    alpha = member("alpha", '{"name": "Rome"}', output_schema=City)
    run = await team(give(("alpha", "A")), told, members=[alpha]).arun("hi")
    assert json.loads(str(run.content).removeprefix("ok: ")) == {"name": "Rome"}


async def test_a_teams_own_tools_stand_beside_its_members():
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    both = [call("add", {"a": 1, "b": 2}, "c"), *give(("alpha", "A"))]
    run = await team(both, told, members=[member("alpha")], tools=[add]).arun("hi")
    assert run.content == "ok: 3 | ok: alpha says: A"


async def test_the_last_event_holds_no_transcript(db):
    text = "x" * 50_000
    asking = team(give(("alpha", "A")), "final", members=[member("alpha", text)], db=db)
    events = [event async for event in asking.arun("hi", session_id="s", stream=True, stream_events=True)]
    assert (await row(db, "alpha")).content == text
    assert text not in events[-1].model_dump_json()


async def test_a_member_hears_the_leaders_task_and_nothing_else():
    run = await team(give(("alpha", "A")), told, members=[member("alpha", asked)]).arun("secret")
    assert run.content == "ok: A"
