"""Members that wait for a person: the team waits with them, and goes on where they do."""

from __future__ import annotations

from collections import Counter

import pytest

from agentos.errors import InvalidInputError, NotFoundError
from agentos.os import AgentOS
from agentos.run.events import RunContent
from agentos.run.records import RunStatus
from agentos.team import Team
from agentos.tools import tool
from tests.agent.models import call
from tests.os.apps import frames, serving
from tests.team.teams import confirmed, give, give_all, heard, member, results, row, rows, team

paid: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def nothing_paid() -> None:
    paid.clear()


@tool(requires_confirmation=True)
def pay(to: str) -> str:
    """Pays."""
    paid[to] += 1
    return f"paid {to}"


def told(request) -> str:
    """What the calls were answered with."""
    return " | ".join(str(each.content) for each in heard(request))


def payer(name: str, *, times: int = 1):
    """A member that pays so often, one payment after another, and says what came of it."""
    turns = [[call("pay", {"to": f"{name} {number}"}, f"pay-{number}")] for number in range(1, times + 1)]
    return member(name, *turns, told, tools=[pay])


def paying(db, *names: str, **settings) -> Team:
    """A fresh team whose members pay once, as any process would make it."""
    return team(
        give(*((name, "pay") for name in names)), told, members=[*map(payer, names)], db=db, **settings
    )


async def test_a_team_waits_for_what_its_member_waits_for(db):
    run = await paying(db, "alpha").arun("hi", session_id="s")
    (wanted,) = run.requirements
    waiting = await row(db, "alpha")
    assert (run.status, waiting.status) == (RunStatus.PAUSED, RunStatus.PAUSED)
    assert (wanted.member_agent_id, wanted.member_run_id) == ("alpha", waiting.run_id)
    assert (wanted.id, wanted.tool_execution.tool_args) == ("pay-1", {"to": "alpha 1"})
    assert run.tools[0].child_run_id == waiting.run_id
    rest = await paying(db, "alpha").acontinue_run(
        run_id=run.run_id, requirements=confirmed(run.requirements)
    )
    assert (rest.status, rest.content) == (RunStatus.COMPLETED, "paid alpha 1")
    assert paid == {"alpha 1": 1}
    assert {each.status for each in await rows(db)} == {RunStatus.COMPLETED}
    assert len(await rows(db)) == 2


@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_routed_members_answer_is_the_teams_after_a_pause_too(db, yes, streamed):
    run = await paying(db, "alpha", mode="route").arun("hi", session_id="s")
    decisions = confirmed(run.requirements, yes=yes)
    fresh = paying(db, "alpha", mode="route")
    if streamed:
        events = fresh.acontinue_run(run_id=run.run_id, requirements=decisions, stream=True)
        said = "".join([event.content async for event in events if isinstance(event, RunContent)])
    else:
        said = (await fresh.acontinue_run(run_id=run.run_id, requirements=decisions)).content
    ended, answered = await row(db, "team"), await row(db, "alpha")
    assert ended.status is answered.status is RunStatus.COMPLETED
    assert said == ended.content == answered.content
    assert ("paid alpha 1" in said) is yes
    assert sum(message.role == "assistant" for message in ended.messages) == 1


async def test_a_rejections_note_reaches_the_member(db):
    run = await paying(db, "alpha").arun("hi", session_id="s")
    run.requirements[0].reject("Too much.")
    rest = await paying(db, "alpha").acontinue_run(run)
    assert rest.content == "This call was rejected by a person, and wasn't made. They say: Too much."
    assert not paid


@pytest.mark.parametrize("decided", [False, True])
async def test_continuing_without_decisions_names_what_is_open(db, decided):
    run = await paying(db, "alpha").arun("hi", session_id="s")
    if decided:
        confirmed(run.requirements)
        assert (await paying(db, "alpha").acontinue_run(run)).status is RunStatus.COMPLETED
    else:
        with pytest.raises(InvalidInputError, match=r"'confirmed' for the call 'pay-1' of pay"):
            await paying(db, "alpha").acontinue_run(run)
        assert (await row(db, "team")).status is RunStatus.PAUSED


async def test_the_same_rule_holds_over_http(db):
    app = AgentOS(teams=[paying(db, "alpha")], db=db).get_app()
    async with serving(app) as client:
        body = {"message": "hi", "session_id": "s", "stream": False}
        run = (await client.post("/teams/team/runs", json=body)).json()
        assert (run["status"], run["requirements"][0]["member_agent_id"]) == ("PAUSED", "alpha")
        proceed = f"/teams/team/runs/{run['run_id']}/continue"
        refused = await client.post(proceed, json={"requirements": run["requirements"], "session_id": "s"})
        assert refused.status_code == 422
        assert "'confirmed' for the call 'pay-1'" in refused.text
        for each in run["requirements"]:
            each["tool_execution"]["confirmed"] = True
        events = frames((await client.post(proceed, json={"requirements": run["requirements"]})).text)
        assert (events[0].event, events[-1].event) == ("TeamRunContinued", "TeamRunCompleted")
        assert events[-1].data["content"] == "paid alpha 1"


async def test_some_may_be_decided_now_and_others_later(db):
    run = await paying(db, "alpha", "beta").arun("hi", session_id="s")
    assert [each.member_agent_id for each in run.requirements] == ["alpha", "beta"]
    one, other = run.requirements
    one.confirm()
    run = await paying(db, "alpha", "beta").acontinue_run(run_id=run.run_id, requirements=[one])
    assert (run.status, [each.member_agent_id for each in run.requirements]) == (RunStatus.PAUSED, ["beta"])
    assert paid == {"alpha 1": 1}
    statuses = {each.runnable_id: each.status for each in await rows(db)}
    assert statuses == {"team": "PAUSED", "alpha": "COMPLETED", "beta": "PAUSED"}
    other.confirm()
    run = await paying(db, "alpha", "beta").acontinue_run(run_id=run.run_id, requirements=[other])
    assert (run.status, run.content) == (RunStatus.COMPLETED, "paid alpha 1 | paid beta 1")
    assert paid == {"alpha 1": 1, "beta 1": 1}
    assert len(await rows(db)) == 3


async def test_siblings_of_a_waiting_member_work_to_their_end_once(db):
    def made():
        two = give(("alpha", "pay"), ("beta", "B"))
        return team(two, told, members=[payer("alpha"), member("beta")], db=db)

    run = await made().arun("hi", session_id="s")
    assert (run.status, results(run)) == (RunStatus.PAUSED, [None, "beta says: B"])
    rest = await made().acontinue_run(run_id=run.run_id, requirements=confirmed(run.requirements))
    assert rest.content == "beta says: B | paid alpha 1"
    assert len(await rows(db)) == 3


@pytest.mark.parametrize("yes", [True, False])
async def test_a_broadcast_is_answered_once_all_have_decided(db, yes):
    def made():
        members = [payer("alpha"), member("beta"), payer("gamma")]
        return team(give_all("pay"), told, members=members, mode="broadcast", db=db)

    run = await made().arun("hi", session_id="s")
    assert [each.member_agent_id for each in run.requirements] == ["alpha", "gamma"]
    assert run.tools[0].result is None
    rest = await made().acontinue_run(run_id=run.run_id, requirements=confirmed(run.requirements, yes=yes))
    assert rest.status is RunStatus.COMPLETED
    assert ("paid alpha 1" in rest.content, "paid gamma 1" in rest.content) == (yes, yes)
    assert "beta says: pay" in rest.content
    assert len(await rows(db)) == 4


def deep(db) -> Team:
    """A fresh team with a team in it, whose member pays twice while its sibling pays once."""
    two = give(("alpha", "pay"), ("beta", "pay"))
    inner = team(two, told, members=[payer("alpha", times=2), payer("beta")], called="inner")
    return team(give(("inner", "I"), ("gamma", "G")), told, members=[inner, member("gamma")], db=db)


async def test_two_rounds_of_decisions_at_depth_ignore_what_clients_change(db):
    run = await deep(db).arun("hi", session_id="s", user_id="ann")
    first = [(each.member_agent_id, each.id) for each in run.requirements]
    assert first == [("alpha", "pay-1"), ("beta", "pay-1")]
    decisions = confirmed(run.requirements)
    for each in decisions:
        each.tool_execution.tool_args = {"to": "mallory"}
        each.tool_execution.tool_name = "steal"
    with pytest.raises(NotFoundError):
        await deep(db).acontinue_run(run_id=run.run_id, requirements=decisions, user_id="bob")
    run = await deep(db).acontinue_run(run_id=run.run_id, requirements=decisions, user_id="ann")
    assert [(each.member_agent_id, each.id) for each in run.requirements] == [("alpha", "pay-2")]
    assert paid == {"alpha 1": 1, "beta 1": 1}
    statuses = {each.runnable_id: each.status for each in await rows(db)}
    assert statuses == {
        "team": "PAUSED", "inner": "PAUSED", "alpha": "PAUSED", "beta": "COMPLETED", "gamma": "COMPLETED",
    }  # fmt: skip
    stored = await db.get_run(run.run_id, owner="ann")
    decisions = confirmed(stored.requirements)
    for each in decisions:
        each.tool_execution.result = "stolen"
    run = await deep(db).acontinue_run(run_id=run.run_id, requirements=decisions)
    assert (run.status, run.requirements) == (RunStatus.COMPLETED, [])
    # Answers keep the order in which they came.
    assert run.content == "gamma says: G | paid beta 1 | paid alpha 1 | paid alpha 2"
    assert paid == {"alpha 1": 1, "alpha 2": 1, "beta 1": 1}
    found = await rows(db)
    assert {each.status for each in found} == {RunStatus.COMPLETED}
    assert Counter(each.depth or 0 for each in found) == {0: 1, 1: 2, 2: 2}


async def test_a_paused_team_without_a_database_goes_on_too():
    paying_team = paying(None, "alpha", "beta")
    run = await paying_team.arun("hi")
    run = await paying_team.acontinue_run(run, requirements=confirmed(run.requirements))
    assert (run.status, run.content) == (RunStatus.COMPLETED, "paid alpha 1 | paid beta 1")


async def test_tools_of_the_team_and_of_members_wait_together(db):
    def made():
        both = [call("pay", {"to": "team"}, "own"), *give(("alpha", "pay"))]
        return team(both, told, members=[payer("alpha")], tools=[pay], db=db)

    run = await made().arun("hi", session_id="s")
    assert [(each.id, each.member_agent_id) for each in run.requirements] == [
        ("own", None),
        ("pay-1", "alpha"),
    ]
    own, members = run.requirements
    members.confirm()
    run = await made().acontinue_run(run_id=run.run_id, requirements=[members])
    assert ([each.id for each in run.requirements], dict(paid)) == (["own"], {"alpha 1": 1})
    own.reject()
    run = await made().acontinue_run(run_id=run.run_id, requirements=[own])
    assert (run.status, dict(paid)) == (RunStatus.COMPLETED, {"alpha 1": 1})
