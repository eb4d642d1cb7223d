"""`events=all|text|none`: what a stream shows, wherever it is read."""

import pytest

from agentos.db.contracts.events import LoggedEvent
from agentos.models.base import ModelResponse
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.os.http.sse import frames as stream
from agentos.os.http.sse import selector
from agentos.run.messages import FunctionCall, ToolCall
from agentos.run.records import RunOutput
from agentos.team import Team
from agentos.tools import tool
from tests.os.apps import agent, calls_once, frames, serving, standing, team

TEXT = {"text": ["TeamRunContent"], "none": ["TeamRunCompleted"]}


def fails(request):
    raise RuntimeError("no")


@tool(requires_confirmation=True)
def pay(amount: int) -> str:
    """Pays."""
    return f"paid {amount}"


@pytest.fixture
def app(db, gated):
    payer = agent(calls_once("pay", amount=5), called="payer", tools=[pay])
    agents = [
        agent(gated.answer),
        agent(fails, called="broken"),
        agent(calls_once("pay", amount=5), called="clerk", tools=[pay]),
    ]
    teams = [
        team(agent("from left", called="left")),
        team(agent("from left", called="left"), called="quiet", member_events=False),
        team(payer, called="cashier"),
    ]
    return AgentOS(agents=agents, teams=teams, db=db).get_app()


def names(answer):
    assert answer.status_code == 200, answer.text
    return [frame.event for frame in frames(answer.text)]


async def every_way(client, runs, **chosen):
    """The names of the events of one run, as each way to read them shows them."""
    live = await client.post(runs, json={"message": "hi", **chosen})
    as_form = await client.post(runs, data={"message": "hi", **chosen})
    run = f"{runs}/{(frames(live.text))[0].data['run_id']}"
    followed = await client.get(f"{run}/events", params=chosen)
    resumed = await client.post(f"{run}/resume", json=chosen)
    assert (followed.text, resumed.text) == (live.text, live.text)
    assert names(as_form) == names(live)
    return names(live)


async def test_text_is_the_roots_answer_and_none_its_end(app):
    async with serving(app) as client:
        everything = await every_way(client, "/teams/desk/runs", events="all")
        assert everything[0] == "TeamRunContent"
        assert "RunCompleted" in everything
        assert everything == await every_way(client, "/teams/desk/runs")
        for chosen, shown in TEXT.items():
            assert await every_way(client, "/teams/desk/runs", events=chosen) == shown


@pytest.mark.parametrize(
    ("url", "text", "none"),
    [
        ("/agents/broken/runs", ["RunError"], ["RunError"]),
        ("/agents/clerk/runs", ["RunPaused"], ["RunPaused"]),
        ("/teams/cashier/runs", ["TeamRunContent", "TeamRunPaused"], ["TeamRunPaused"]),
    ],
)
async def test_errors_and_pauses_are_shown_either_way(app, url, text, none):
    async with serving(app) as client:
        for chosen, shown in ("text", text), ("none", none):
            assert names(await client.post(url, json={"message": "hi", "events": chosen})) == shown


async def test_none_shows_a_cancelled_run(app, gated):
    async with serving(app) as client, standing(client, gated, events="none") as (run_id, call):
        assert (await client.post(f"/agents/web/runs/{run_id}/cancel")).status_code == 200
        (end,) = frames((await call).text)
        assert (end.event, end.data["content"]) == ("RunCancelled", "one")


@pytest.mark.parametrize("chosen", ["all", "text", "none"])
async def test_a_continued_run_shows_what_is_selected(app, chosen):
    async with serving(app) as client:
        started = frames((await client.post("/teams/cashier/runs", json={"message": "go"})).text)
        paused, run_id = started[-1].data, started[-1].data["run_id"]
        (wanted,) = paused["requirements"]
        wanted["tool_execution"]["confirmed"] = True
        url = f"/teams/cashier/runs/{run_id}"
        continued = await client.post(f"{url}/continue", json={"requirements": [wanted], "events": chosen})
        told = names(continued)
        if chosen == "all":
            assert (told[-1], "ToolCallCompleted" in told) == ("TeamRunCompleted", True)
        else:
            assert told == TEXT[chosen]
        # Both segments have an end.
        again = names(await client.get(f"{url}/events?events=none"))
        assert again == ["TeamRunPaused", "TeamRunCompleted"]
        rest = await client.get(f"{url}/events?events={chosen}&after={started[-1].id}")
        assert rest.text == continued.text


@pytest.mark.parametrize("chosen", ["all", "text", "none"])
async def test_a_run_of_which_nothing_was_logged_shows_its_end(app, chosen):
    async with serving(app) as client:
        body = {"message": "hi", "stream": False}
        run = (await client.post("/teams/desk/runs", json=body)).json()
        shown = await client.get(f"/teams/desk/runs/{run['run_id']}/events?events={chosen}")
        assert names(shown) == ["TeamRunCompleted"]


async def test_a_stream_without_anything_left_is_empty(app):
    async with serving(app) as client:
        live = frames((await client.post("/teams/desk/runs", json={"message": "hi"})).text)
        url = f"/teams/desk/runs/{live[0].data['run_id']}/events"
        for chosen, after, status in ("text", 1, 204), ("none", 1, 200), ("none", live[-1].id, 204):
            assert (await client.get(f"{url}?events={chosen}&after={after}")).status_code == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"events": "text", "stream_events": "false"}, 200),
        ({"events": "all", "stream_events": "true"}, 200),
        ({"events": "none"}, 200),
        ({"stream_events": "false"}, 200),
        ({"events": "text", "stream_events": "true"}, 422),
        ({"events": "all", "stream_events": "false"}, 422),
        ({"events": "none", "stream_events": "false"}, 422),
        ({"events": "none", "stream_events": "true"}, 422),
        ({"events": "some"}, 422),
    ],
)
async def test_what_contradicts_itself_is_refused(app, given, status):
    async with serving(app) as client:
        body = {"message": "hi", "session_id": "s1"}
        run = (await client.post("/teams/desk/runs", json={**body, "stream": False})).json()["run_id"]
        url = f"/teams/desk/runs/{run}"
        for place, answer in [
            ("body", await client.post("/teams/desk/runs", data={"message": "hi", **given})),
            ("body", await client.post(f"{url}/resume", data=given)),
            ("body", await client.post(f"{url}/continue", data={"regenerate": "true", **given})),
            ("query", await client.get(f"{url}/events", params=given)),
        ]:
            assert answer.status_code in {status, 204 if status == 200 else status}, answer.text
            if status == 422:
                assert [each["loc"] for each in answer.json()["detail"]] == [[place, "events"]]
            elif answer.status_code == 200:
                assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_team_may_keep_its_members_events_to_itself(app):
    async with serving(app) as client:
        runs = "/teams/quiet/runs"
        assert await every_way(client, runs, events="all") == ["TeamRunContent", "TeamRunCompleted"]
        assert await every_way(client, runs, events="text") == ["TeamRunContent"]
        shown = frames((await client.post(runs, json={"message": "hi", "session_id": "s1"})).text)
        assert shown[-1].id > len(shown)  # its members' events are there, and have numbers
        after = await client.get(f"{runs}/{shown[0].data['run_id']}/events?after={shown[0].id}")
        assert [frame.id for frame in frames(after.text)] == [shown[-1].id]
        listed = (await client.get("/sessions/s1/runs?nested=true")).json()
        assert [each.get("agent_id") for each in listed] == [None, "left"]


async def test_in_the_same_process_members_are_quiet_too():
    for member_events, expected in (False, {"desk"}), (True, {"desk", "left"}):
        desk = team(agent("from left", called="left"), member_events=member_events)
        events = [event async for event in desk.arun("hi", stream=True, stream_events=True)]
        assert {event.origin.id for event in events} == expected


@pytest.mark.parametrize("text", ["no JSON", "[1]"])
async def test_a_line_that_isnt_ours_never_passes_a_filter(text):
    run = RunOutput(run_id="r1", kind="team", runnable_id="desk", session_id="s1")
    ours = LoggedEvent(1, "TeamRunContent", '{"run_id":"r1"}')

    async def batches(after):
        yield [ours, LoggedEvent(2, "TeamRunContent", text)]

    for selection, member_events in ("text", True), ("all", False):
        shows = selector(run, selection, member_events=member_events)
        shown = b"".join([each async for each in stream(batches, shows=shows)]).decode()
        assert text not in shown
        assert "StreamClosed" in shown or '{"run_id":"r1"}' in shown
    assert text in b"".join([each async for each in stream(batches)]).decode()


async def test_a_teams_stream_member_events_is_that_setting(db):
    def leads(request):
        if request.messages[-1].role == "tool":
            return "done"
        call = FunctionCall(name="delegate_task_to_member", arguments='{"member_id": "left", "task": "go"}')
        return ModelResponse(tool_calls=[ToolCall(id="c1", function=call)])

    left = agent("from left", called="left")
    for shown, expected in (True, True), (False, False):
        desk = Team(id="desk", members=[left], model=FunctionModel(leads), stream_member_events=shown)
        async with serving(AgentOS(teams=[desk], db=db).get_app()) as client:
            told = await every_way(client, "/teams/desk/runs", events="all")
            assert ("RunContent" in told, told[-1]) == (expected, "TeamRunCompleted")
            assert "TeamToolCallCompleted" in told
