"""Runs that wait for a person, and go on over HTTP as the person says."""

import json

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.tools import tool
from tests.os.apps import ADMIN, agent, bearer, calls_once, frames, secured, serving

RUNS = "/agents/web/runs"


class Post:
    """An office whose letters go out when somebody agrees; `sent` has gone."""

    def __init__(self):
        self.sent = []

    def letter(self, **options):
        def send(to: str, text: str = "hi") -> str:
            """Sends a letter."""
            self.sent.append((to, text))
            return f"sent to {to}"

        return tool(**options)(send)


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def app(db, post):
    letter = post.letter(requires_confirmation=True)
    return AgentOS(agents=[agent(calls_once("send", to="bo"), db=db, tools=[letter])]).get_app()


async def paused(client, **fields):
    answer = await client.post(RUNS, json={"message": "go", "stream": False, "session_id": "s1", **fields})
    assert answer.status_code == 200, answer.text
    run = answer.json()
    assert run["status"] == "PAUSED", run
    return run


def decided(run, **decision):
    return [{**tool, **decision} for tool in run["tools"]]


async def proceed(client, run, *, headers=None, **fields):
    url = f"{RUNS}/{run['run_id']}/continue"
    return await client.post(url, json={"stream": False, **fields}, headers=headers)


async def test_a_paused_run_says_what_it_waits_for(app, post):
    async with serving(app) as client:
        run = await paused(client)
        (requirement,) = run["requirements"]
        assert requirement["tool_execution"]["tool_args"] == {"to": "bo"}
        assert requirement["tool_execution"]["requires_confirmation"]
        stored = (await client.get(f"{RUNS}/{run['run_id']}")).json()
        assert (stored["status"], stored["requirements"]) == ("PAUSED", run["requirements"])
        assert post.sent == []


SHAPES = {
    "tools": lambda run: {"tools": decided(run, confirmed=True)},
    "requirements": lambda run: {
        "requirements": [{"tool_execution": each} for each in decided(run, confirmed=True)]
    },
    "little": lambda run: {"tools": [{"tool_call_id": run["tools"][0]["tool_call_id"], "confirmed": True}]},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("as_form", [True, False])
async def test_a_confirmed_call_is_made_and_the_run_ends(app, post, shape, as_form):
    async with serving(app) as client:
        run = await paused(client)
        sent = shape(run)
        url = f"{RUNS}/{run['run_id']}/continue"
        if as_form:
            form = {name: json.dumps(value) for name, value in sent.items()}
            rest = await client.post(url, data={"stream": "false", "session_id": "s1", **form})
        else:
            rest = await client.post(url, json={"stream": False, **sent})
        assert rest.status_code == 200, rest.text
        done = rest.json()
        assert (done["status"], done["run_id"]) == ("COMPLETED", run["run_id"])
        assert done["content"] == "It says: sent to bo"
        assert post.sent == [("bo", "hi")]


async def test_a_rejected_call_isnt_made_and_the_model_reads_why(app, post):
    async with serving(app) as client:
        run = await paused(client)
        tools = decided(run, confirmed=False, confirmation_note="Not today.")
        done = (await proceed(client, run, tools=tools)).json()
        assert (done["status"], "Not today." in done["content"]) == ("COMPLETED", True)
        assert post.sent == []


async def test_a_stream_goes_on_behind_the_pause(app, database, post):
    """On another process than the one that paused."""
    letter = post.letter(requires_confirmation=True)
    other = AgentOS(agents=[agent(calls_once("send"), db=PostgresDb(database), tools=[letter])]).get_app()
    async with serving(app) as client, serving(other) as far:
        begun = (await client.post(RUNS, json={"message": "go"})).text
        pause = frames(begun)[-1]
        assert pause.event == "RunPaused"
        url = f"{RUNS}/{pause.data['run_id']}"
        tools = [{**tool, "confirmed": True} for tool in pause.data["tools"]]
        rest = await far.post(f"{url}/continue", json={"tools": tools})
        shown = frames(rest.text)
        assert (shown[0].event, shown[-1].event) == ("RunContinued", "RunCompleted")
        assert [frame.id for frame in shown] == list(range(pause.id + 1, pause.id + 1 + len(shown)))
        assert (await client.get(f"{url}/events")).text == begun + rest.text
        resumed = await client.post(f"{url}/resume", data={"last_event_index": str(pause.id - 1)})
        assert resumed.text == rest.text


async def test_a_run_goes_on_in_the_background(app, post):
    async with serving(app) as client:
        run = await paused(client)
        told = await proceed(client, run, tools=decided(run, confirmed=True), background=True)
        assert told.status_code == 202
        assert told.json() == {"run_id": run["run_id"], "session_id": "s1", "status": "PENDING"}
        followed = await client.get(f"{RUNS}/{run['run_id']}/events")
        assert frames(followed.text)[-1].event == "RunCompleted"
        assert post.sent == [("bo", "hi")]


async def test_arguments_come_from_the_store(app, post):
    async with serving(app) as client:
        run = await paused(client)
        forged = decided(
            run,
            confirmed=True,
            tool_args={"to": "mallory", "text": "secrets"},
            tool_name="other",
            result="forged",
            requires_confirmation=False,
            external_execution_required=True,
        )
        done = (await proceed(client, run, tools=forged)).json()
        assert post.sent == [("bo", "hi")]
        assert done["tools"][0]["tool_args"] == {"to": "bo"}
        assert done["content"] == "It says: sent to bo"


async def test_asked_arguments_come_from_the_person(db, post):
    letter = post.letter(requires_user_input=True, user_input_fields=["to"])
    app = AgentOS(agents=[agent(calls_once("send", text="x"), db=db, tools=[letter])]).get_app()
    async with serving(app) as client:
        run = await paused(client)
        (execution,) = run["tools"]
        assert [field["name"] for field in execution["user_input_schema"]] == ["to"]
        answer = {**execution, "user_input_schema": [{"name": "text", "value": "y"}]}
        assert (await proceed(client, run, tools=[answer])).status_code == 422
        answer["user_input_schema"] = [{"name": "to", "value": "cy"}]
        done = (await proceed(client, run, tools=[answer])).json()
        assert (done["status"], post.sent) == ("COMPLETED", [("cy", "x")])


async def test_a_call_made_elsewhere_brings_its_result(db, post):
    letter = post.letter(external_execution=True)
    app = AgentOS(agents=[agent(calls_once("send", to="bo"), db=db, tools=[letter])]).get_app()
    async with serving(app) as client:
        run = await paused(client)
        done = (await proceed(client, run, tools=decided(run, result="sent by hand"))).json()
        assert (done["content"], post.sent) == ("It says: sent by hand", [])


NONSENSE = {
    "nothing": {},
    "undecided": {"tools": [{"tool_call_id": "…"}]},
    "unknown call": {"tools": [{"tool_call_id": "other", "confirmed": True}]},
    "no list": {"tools": {"confirmed": True}},
    "no objects": {"tools": ["yes"]},
    "confirmed in words": {"tools": [{"tool_call_id": "…", "confirmed": "yes"}]},
    "no tool in a requirement": {"requirements": [{"confirmed": True}]},
    "twice": {
        "tools": [{"tool_call_id": "…", "confirmed": True}],
        "requirements": [{"tool_execution": {"tool_call_id": "…", "confirmed": True}}],
    },
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
async def test_what_decides_nothing_leaves_the_run_waiting(app, post, body):
    async with serving(app) as client:
        run = await paused(client)
        text = json.dumps(body).replace("\\u2026", run["tools"][0]["tool_call_id"])
        assert (await proceed(client, run, **json.loads(text))).status_code == 422
        assert (await client.get(f"{RUNS}/{run['run_id']}")).json()["status"] == "PAUSED"
        assert post.sent == []
        assert (await proceed(client, run, tools=decided(run, confirmed=True))).status_code == 200


async def test_json_that_is_none_names_its_field(app):
    async with serving(app) as client:
        run = await paused(client)
        refused = await client.post(f"{RUNS}/{run['run_id']}/continue", data={"tools": "[{"})
        assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "tools"])


async def test_a_run_goes_on_once(app, post):
    async with serving(app) as client:
        run = await paused(client)
        tools = decided(run, confirmed=True)
        answers = [await proceed(client, run, tools=tools) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 409]
        assert "COMPLETED" in answers[1].json()["detail"]
        assert post.sent == [("bo", "hi")]


async def test_what_isnt_there_cant_go_on(db, post):
    letter = post.letter(requires_confirmation=True)
    agents = [agent(calls_once("send", to="bo"), db=db, tools=[letter]), agent(called="other", db=db)]
    async with serving(AgentOS(agents=agents).get_app()) as client:
        run = await paused(client)
        body = {"tools": decided(run, confirmed=True)}
        for url in (f"{RUNS}/absent/continue", f"/agents/other/runs/{run['run_id']}/continue"):
            assert (await client.post(url, json=body)).status_code == 404
        assert (await proceed(client, run, session_id="s2", **body)).status_code == 404
        assert post.sent == []
        assert (await proceed(client, run, session_id="s1", **body)).status_code == 200


async def test_only_its_user_and_admins_go_on_with_a_run(app, post):
    async with serving(secured(app, all_users_scope="all:read")) as client:
        client.headers = bearer("ann")
        for allowed in (bearer("ann"), bearer("root", ADMIN), bearer("ann", "agents:web:run")):
            run = await paused(client)
            tools = decided(run, confirmed=True)
            refusals = {
                404: [bearer("bob"), bearer("bob", "agents:run", "all:read"), bearer("ann", session_id="x")],
                403: [bearer(None), bearer("ann", "agents:read"), bearer("ann", "agents:other:run")],
            }
            before = list(post.sent)
            for status, callers in refusals.items():
                for caller in callers:
                    answer = await proceed(client, run, tools=tools, user_id="ann", headers=caller)
                    assert answer.status_code == status, answer.text
            assert post.sent == before
            assert (await proceed(client, run, tools=tools, headers=allowed)).json()["status"] == "COMPLETED"
