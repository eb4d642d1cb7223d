"""Runs within runs, and a kind of the tests' own, as clients see them."""

import pytest
from fastapi import FastAPI

from agentos import kinds
from agentos.errors import ConfigurationError
from agentos.kinds import KindSpelling
from agentos.os import AgentOS
from agentos.run.events import RunContent
from agentos.run.messages import ToolExecution
from agentos.run.owner import ANYONE
from tests.os.apps import ADMIN, Played, agent, bearer, frames, secured, serving
from tests.runner.script import probe

RUNS = "/probes/root/runs"


async def _ask_two(context):
    yield RunContent(content="I ask.")
    for name in ("left", "right"):
        await context.child(LEAF, name, name=name)
    context.run.content = "done"


async def _pay(context):
    yield RunContent(content=context.run.input.input_content)
    if not context.run.tools:
        wanted = {"tool_name": "pay", "tool_args": {"amount": 5}, "requires_confirmation": True}
        context.run.tools = [ToolExecution(tool_call_id="call-1", **wanted)]
        return
    context.run.content = "paid" if context.run.tools[0].confirmed else "not paid"


async def _say(context):
    yield RunContent(content=context.run.input.input_content)
    context.run.content = context.run.input.input_content


async def _ask_payers(context):
    yield RunContent(content="I ask.")
    answers = [await context.child(PAYER, name, name=name) for name in ("left", "right")]
    context.run.content = None if context.run.requirements else ", ".join(each.content for each in answers)


LEAF, PAYER = probe("leaf", _say), probe("payer", _pay)


async def _ask_itself(context):
    yield RunContent(content="I think.")
    if context.run.depth is None:
        await context.child(served("thinker", _ask_itself), "deeper", name="deeper")
    context.run.content = "thought"


@pytest.fixture
def app(db):
    plays = {"root": _ask_two, "buyer": _ask_payers, "thinker": _ask_itself}
    return secured(AgentOS(agents=[served(name, play) for name, play in plays.items()], db=db).get_app())


def served(called, play):
    return Played(play, id=called, name=called.title(), kind="probe")


def probes(sub, *more):
    return bearer(sub, "probes:read", "probes:run", "sessions:read", "sessions:write", *more)


async def asked(client, headers, url=RUNS, **fields):
    body = {"message": "go", "session_id": "s1", "stream": False, **fields}
    answer = await client.post(url, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_kind_of_ones_own_has_routes_scopes_and_fields(app):
    async with serving(app) as client:
        ann = probes("ann")
        listed = (await client.get("/probes", headers=ann)).json()
        assert [(each["id"], each["name"]) for each in listed] == [
            ("root", "Root"),
            ("buyer", "Buyer"),
            ("thinker", "Thinker"),
        ]
        run = (await asked(client, ann)).json()
        assert (run["probe_id"], run["status"], run["content"]) == ("root", "COMPLETED", "done")
        (session,) = (await client.get("/sessions?type=probe", headers=ann)).json()["data"]
        assert (session["session_type"], session["probe_id"]) == ("probe", "root")
        assert (await client.get("/sessions?type=agent", headers=ann)).json()["data"] == []
        found = (await client.get(f"{RUNS}/{run['run_id']}", headers=ann)).json()
        assert found["run_id"] == run["run_id"]
        events = frames((await asked(client, ann, stream=True)).text)
        assert events[0].event == "ProbeRunContent"
        assert events[-1].event == "ProbeRunCompleted"


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        (["probes:run"], 200),
        (["probes:root:run"], 200),
        (["probes:*:run"], 200),
        (["probes:buyer:run"], 403),
        (["agents:run"], 403),
    ],
)
async def test_a_kinds_scopes_are_its_own(app, scopes, status):
    async with serving(app) as client:
        body = {"message": "go", "stream": False}
        answer = await client.post(RUNS, json=body, headers=bearer("ann", *scopes))
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("path", ["/probes", "/teams/mine", "/workflows/mine"])
async def test_only_what_is_served_has_scopes_by_default(db, path):
    base, family = FastAPI(), path.split("/")[1]

    @base.get(path)
    async def everything():
        return ["mine", "theirs"]

    app = secured(AgentOS(agents=[agent()], db=db, base_app=base).get_app())
    held = bearer("ann", f"{family}:mine:read", f"{family}:read")
    async with serving(app) as client:
        answer = await client.get(path, headers=held)
        assert (answer.status_code, answer.json()["code"]) == (403, "no_rule")
        asked = {"method": "GET", "path": path}
        told = (await client.get("/authz/explain", params=asked, headers=held)).json()
        assert (told["allowed"], told["code"]) == (False, "no_rule")
        assert (await client.get(path, headers=bearer("root", ADMIN))).status_code == 200
        assert (await client.get("/agents", headers=bearer("ann"))).status_code == 200


async def test_a_users_own_list_of_teams_isnt_narrowed_so_it_takes_the_whole_scope(db):
    base = FastAPI()

    @base.get("/teams")
    async def everything():
        return ["mine", "theirs"]

    app = secured(AgentOS(agents=[agent()], db=db, base_app=base).get_app())
    async with serving(app) as client:
        assert (await client.get("/teams", headers=bearer("ann", "teams:read"))).json() == ["mine", "theirs"]
        for scope in ("teams:mine:read", "agents:read"):
            assert (await client.get("/teams", headers=bearer("ann", scope))).status_code == 403


async def test_a_users_own_route_takes_the_scope_that_the_map_gives_it(db):
    base = FastAPI()

    @base.get("/teams")
    async def everything():
        return ["mine", "theirs"]

    app = AgentOS(agents=[agent()], db=db, base_app=base).get_app()
    async with serving(secured(app, scope_mappings={"GET /teams": ["teams:read"]})) as client:
        assert (await client.get("/teams", headers=bearer("ann", "teams:read"))).status_code == 200
        assert (await client.get("/teams", headers=bearer("ann", "teams:run"))).status_code == 403


async def test_an_unknown_kind_is_named_at_the_start(db):
    script = Played(_say, kind="probing")
    with pytest.raises(ConfigurationError, match="'probing' isn't registered"):
        AgentOS(agents=[script], db=db)


@pytest.mark.parametrize("kind", ["session", "doc", "approval", "memorie", "service_account"])
async def test_a_kind_may_not_take_other_paths_or_scopes(db, kind, monkeypatch):
    monkeypatch.setitem(kinds._registered, kind, KindSpelling(kind, "Odd"))
    with pytest.raises(ConfigurationError, match=f"The paths /{kind}s or the scopes {kind}s:… are taken"):
        AgentOS(agents=[Played(_say, kind=kind)], db=db)


@pytest.mark.parametrize(
    "listing", [f"{RUNS}?session_id=s1", "/sessions/s1/runs", "/sessions/s1/run-previews"]
)
async def test_nested_runs_are_listed_when_they_are_asked_for(app, listing):
    async with serving(app) as client:
        ann, bob, admin = probes("ann"), probes("bob"), bearer("root", ADMIN)
        run = (await asked(client, ann)).json()
        only_roots = (await client.get(listing, headers=ann)).json()
        assert [each["run_id"] for each in only_roots] == [run["run_id"]]
        everything = await client.get(listing, params={"nested": True, "session_id": "s1"}, headers=ann)
        root, *nested = everything.json()
        assert root["run_id"] == run["run_id"]
        assert [each["parent_run_id"] for each in nested] == [run["run_id"]] * 2
        assert [(each["probe_id"], each["run_input"]) for each in nested] == [
            ("leaf", "left"),
            ("leaf", "right"),
        ]
        of_bob = await client.get(listing, params={"nested": True, "session_id": "s1"}, headers=bob)
        assert of_bob.status_code == 404
        of_admin = await client.get(listing, params={"nested": True, "session_id": "s1"}, headers=admin)
        assert len(of_admin.json()) == 3


async def test_no_row_shows_how_it_is_stored(app):
    async with serving(app) as client:
        await asked(client, probes("ann"))
        for each in (await client.get("/sessions/s1/runs?nested=true", headers=probes("ann"))).json():
            assert not {"root_run_id", "depth", "kind", "runnable_id", "input"} & each.keys()


async def test_the_conversation_is_that_of_the_roots(app):
    async with serving(app) as client:
        await asked(client, probes("ann"))
        session = (await client.get("/sessions/s1", headers=probes("ann"))).json()
        assert not [message for message in session["chat_history"] if message.get("content") == "left"]


async def test_without_events_a_stream_has_only_the_roots_answer(app):
    async with serving(app) as client:
        text = (await asked(client, probes("ann"), stream=True, stream_events=False)).text
        assert [frame.data["content"] for frame in frames(text)] == ["I ask."]
        text = (await asked(client, probes("ann"), stream=True)).text
        said = [frame.data["content"] for frame in frames(text) if frame.event == "ProbeRunContent"]
        assert said == ["I ask.", "left", "right"]


@pytest.mark.parametrize("field", ["tools", "requirements"])
async def test_calls_of_two_nested_runs_with_one_id_are_decided_apart(app, db, field):
    async with serving(app) as client:
        ann = probes("ann")
        run = (await asked(client, ann, "/probes/buyer/runs")).json()
        assert run["status"] == "PAUSED"
        calls = run["requirements"]
        assert {each["tool_execution"]["tool_call_id"] for each in calls} == {"call-1"}
        proceed = f"/probes/buyer/runs/{run['run_id']}/continue"
        for number, each in enumerate(calls):
            each["tool_execution"]["confirmed"] = number == 0
        tools = [{**each["tool_execution"], "member_run_id": each["member_run_id"]} for each in calls]
        nameless = [{**each, "member_run_id": None} for each in calls]
        refused = await client.post(proceed, json={"requirements": nameless, "stream": False}, headers=ann)
        assert refused.status_code == 422, refused.text
        assert "member_run_id" in refused.text
        answers = {"tools": tools, "requirements": calls}[field]
        body = {field: answers, "stream": False}
        assert (await client.post(proceed, json=body, headers=probes("bob"))).status_code == 404
        done = await client.post(proceed, json=body, headers=ann)
        assert done.json()["content"] == "paid, not paid", done.text
        assert len(await db.list_runs("s1", owner=ANYONE, nested=True)) == 3


@pytest.mark.parametrize("action", ["cancel", "continue"])
async def test_a_nested_run_is_its_roots_affair(app, action):
    async with serving(app) as client:
        ann = probes("ann")
        run = (await asked(client, ann, "/probes/buyer/runs")).json()
        listed = (await client.get("/sessions/s1/runs?nested=true", headers=ann)).json()
        nested = listed[1]["run_id"]
        for served, status in (("payer", 404), ("buyer", 404)):
            refused = await client.post(f"/probes/{served}/runs/{nested}/{action}", headers=ann, json={})
            assert refused.status_code == status, refused.text
        cancelled = await client.post(f"/probes/buyer/runs/{run['run_id']}/cancel", headers=ann)
        assert cancelled.status_code == 200


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        (["probes:read"], ["root", "leaf", "leaf"]),
        (["probes:root:read", "probes:leaf:read"], ["root", "leaf", "leaf"]),
        ([ADMIN], ["root", "leaf", "leaf"]),
        (["probes:root:read"], ["root", "leaf", "leaf"]),
        (["probes:leaf:read"], None),
    ],
)
async def test_whoever_may_list_a_run_may_list_what_is_nested_in_it(app, scopes, shown):
    async with serving(app) as client:
        await asked(client, probes("ann"))
        found = await client.get(f"{RUNS}?session_id=s1&nested=true", headers=bearer("ann", *scopes))
        assert found.status_code == (200 if shown else 403)
        assert shown is None or [each["probe_id"] for each in found.json()] == shown


@pytest.mark.parametrize(
    "fields", [{"regenerate": True}, {"fork": True, "input": "again"}, {"input": "again"}]
)
async def test_nothing_branches_off_from_within_a_run(app, fields):
    async with serving(app) as client:
        ann, body = probes("ann"), {"stream": False, **fields}
        root = (await asked(client, ann, "/probes/thinker/runs")).json()["run_id"]
        of_session = "/sessions/s1/runs?nested=true"
        before = (await client.get(of_session, headers=ann)).json()
        nested = before[1]["run_id"]
        refused = await client.post(f"/probes/thinker/runs/{nested}/continue", json=body, headers=ann)
        assert (refused.status_code, root in refused.text) == (409, True), refused.text
        assert (await client.get(of_session, headers=ann)).json() == before
        of_root = await client.post(f"/probes/thinker/runs/{root}/continue", json=body, headers=ann)
        assert of_root.status_code == 200, of_root.text


@pytest.mark.parametrize("place", ["events", "resume"])
async def test_without_events_the_stream_of_a_nested_run_is_its_own_answer(app, place):
    async with serving(app) as client:
        ann = probes("ann")
        await asked(client, ann, "/probes/thinker/runs", stream=True)
        root, nested = (await client.get("/sessions/s1/runs?nested=true", headers=ann)).json()
        for run in (root, nested):
            url = f"/probes/thinker/runs/{run['run_id']}/{place}"
            if place == "events":
                shown = await client.get(f"{url}?stream_events=false", headers=ann)
            else:
                shown = await client.post(url, json={"stream_events": False}, headers=ann)
            told = [(frame.data["run_id"], frame.data["content"]) for frame in frames(shown.text)]
            assert told == [(run["run_id"], "I think.")]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_nested_run_is_followed_to_its_end_and_then_over(app, stream):
    ann, thinkers = probes("ann"), "/probes/thinker/runs"
    async with serving(app) as client:
        await asked(client, ann, thinkers, stream=stream)
        listed = await client.get(f"{thinkers}?session_id=s1&nested=true", headers=ann)
        (nested,) = [run for run in listed.json() if run.get("parent_run_id")]
        url = f"{thinkers}/{nested['run_id']}/events"
        *_, last = frames((await client.get(url, headers=ann)).text)
        assert (last.event, last.data["content"]) == ("ProbeRunCompleted", "thought")
        assert last.data["run_id"] == nested["run_id"]
        over = await client.get(url, headers={**ann, "Last-Event-ID": str(last.id)})
        assert (over.status_code, over.text) == (204, "")
