"""Starting runs over HTTP."""

import json
from base64 import b64encode
from hashlib import sha256

import pytest

from agentos.errors import ModelError
from agentos.os import AgentOS
from agentos.run.events import RunContent
from agentos.run.owner import ANYONE
from tests.os.apps import Played, agent, frames, serving

RUNS = "/agents/web/runs"


@pytest.fixture
async def client(db):
    async with serving(AgentOS(agents=[agent(["hel", "lo"])], db=db).get_app()) as client:
        yield client


async def whole(client, url=RUNS, **fields):
    response = await client.post(url, json={"message": "hi", "stream": False, **fields})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_run_streams_the_contracts_events(client):
    response = await client.post(RUNS, data={"message": "hi"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    shown = frames(response.text)
    assert [frame.event for frame in shown] == [
        "RunStarted",
        "ModelRequestStarted",
        "RunContent",
        "RunContent",
        "ModelRequestCompleted",
        "RunContentCompleted",
        "RunCompleted",
    ]
    assert [frame.id for frame in shown] == list(range(1, 8))
    assert {frame.data["agent_id"] for frame in shown} == {"web"}
    assert shown[-1].data["content"] == "hello"


@pytest.mark.parametrize("stream_events", ["false", "False", "0"])
async def test_stream_events_false_leaves_the_pieces_of_the_answer(client, stream_events):
    response = await client.post(RUNS, data={"message": "hi", "stream_events": stream_events})
    assert [(frame.event, frame.data["content"]) for frame in frames(response.text)] == [
        ("RunContent", "hel"),
        ("RunContent", "lo"),
    ]


async def test_stream_false_answers_the_whole_run_in_the_contracts_order(client):
    run = await whole(client, session_id="s1", user_id="ann", metadata={"a": 1})
    order = "run_id agent_id agent_name session_id user_id content content_type model model_provider"
    assert list(run)[:9] == order.split()
    assert (run["content"], run["status"], run["session_id"], run["user_id"]) == (
        "hello",
        "COMPLETED",
        "s1",
        "ann",
    )
    assert run["metadata"] == {"a": 1}
    assert None not in run.values()


SENT = {
    "urlencoded": {"data": {"message": "hi", "stream": "false", "session_state": '{"a": 1}'}},
    "multipart": {
        "files": {"message": (None, "hi"), "stream": (None, "no"), "session_state": (None, '{"a": 1}')}
    },
    "json": {"json": {"message": "hi", "stream": False, "session_state": {"a": 1}}},
    "json suffix": {
        "content": b'{"message": "hi", "stream": false, "session_state": {"a": 1}}',
        "headers": {"content-type": "application/vnd.agent+json; charset=utf-8"},
    },
}


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
async def test_forms_multipart_and_json_mean_the_same(client, sent):
    response = await client.post(RUNS, **sent)
    run = response.json()
    assert (run["input"]["input_content"], run["session_state"]) == ("hi", {"a": 1})


RAW = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_form_is_utf8_also_where_it_isnt_escaped(client, pieces):
    # curl -d 'message=Zürich 東京' sends it like that.
    form = "message=Z\u00fcrich \u6771\u4eac %C3%BC\U0001f600+&user_id=J\u00f6rg&stream=false".encode()

    async def body():
        for start in range(0, len(form), pieces):
            yield form[start : start + pieces]

    run = (await client.post(RUNS, content=body(), headers=RAW)).json()
    text = "Z\u00fcrich \u6771\u4eac \u00fc\U0001f600 "
    assert (run["input"]["input_content"], run["user_id"]) == (text, "J\u00f6rg")


async def test_fields_that_nobody_knows_are_ignored(client):
    assert (await whole(client, flavour="vanilla"))["status"] == "COMPLETED"


async def test_a_failing_model_is_a_run_with_status_error(db):
    def fail(request):
        raise RuntimeError("the secret path /etc/passwd")

    async with serving(AgentOS(agents=[agent(fail, db=db)]).get_app()) as client:
        run = await whole(client)
        assert (run["status"], run["error_type"]) == ("ERROR", "internal_error")
        streamed = await client.post(RUNS, data={"message": "hi"})
        *_, last = frames(streamed.text)
        assert last.event == "RunError"
        assert "passwd" not in streamed.text + json.dumps(run)
        stored = await client.get(f"{RUNS}/{last.data['run_id']}")
        assert stored.json()["status"] == "ERROR"


def _refuse(request):
    raise ModelError("The model is busy.", code="model_rate_limited")


def _break(request):
    raise RuntimeError("the secret path /etc/passwd")


@pytest.mark.parametrize("answer", [_refuse, _break])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failed_runs_error_id_is_wherever_the_failure_is(db, caplog, answer, stream):
    async with serving(AgentOS(agents=[agent(answer, db=db)]).get_app()) as client:
        sent = await client.post(RUNS, json={"message": "hi", "stream": stream, "session_id": "s1"})
        told = frames(sent.text)[-1].data if stream else sent.json()
        url, (listed,) = f"{RUNS}/{told['run_id']}", (await client.get(f"{RUNS}?session_id=s1")).json()
        (last,) = frames((await client.get(f"{url}/events?stream_events=false")).text)
        shown = [told, listed, (await client.get(url)).json(), last.data]
        row = await db.get_run(told["run_id"], owner=ANYONE)
        assert {(each["error_type"], each["error_id"]) for each in shown} == {(row.error_type, row.error_id)}
        (line,) = [each for each in caplog.messages if told["run_id"] in each and "failed" in each]
        assert row.error_id in line


async def test_a_session_goes_on(db):
    def count(request):
        return str(sum(message.role == "user" for message in request.messages))

    app = AgentOS(agents=[agent(count, db=db, add_history_to_context=True)]).get_app()
    async with serving(app) as client:
        session_id = (await whole(client))["session_id"]
        assert (await whole(client, session_id=session_id))["content"] == "2"
        forgetful = await whole(client, session_id=session_id, add_history_to_context=False)
        assert forgetful["content"] == "1"


async def test_a_second_agent_joins_a_session_and_sees_its_own_runs(db):
    def answer(request):
        return str(sum(message.role == "user" for message in request.messages))

    agents = [agent(answer, called=name, db=db, add_history_to_context=True) for name in ("web", "other")]
    async with serving(AgentOS(agents=agents).get_app()) as client:
        session_id = (await whole(client))["session_id"]
        others = "/agents/other/runs"
        assert (await client.get(f"{others}?session_id={session_id}")).status_code == 404
        assert (await whole(client, others, session_id=session_id))["content"] == "1"
        assert (await whole(client, session_id=session_id))["content"] == "2"
        for url, said in ((RUNS, ["1", "2"]), (others, ["1"])):
            listed = (await client.get(f"{url}?session_id={session_id}")).json()
            assert [run["content"] for run in listed] == said
        assert len((await client.get(f"/sessions/{session_id}/runs")).json()) == 3
        both = [{"type": "agent", "id": "web"}, {"type": "agent", "id": "other"}]
        for query in ("", "?component_id=other", "?component_id=web"):
            (session,) = (await client.get(f"/sessions{query}")).json()["data"]
            assert (session["agent_id"], session["participants"]) == ("web", both)
        assert (await client.get("/sessions?component_id=none")).json()["data"] == []
        forked = await client.post(f"/agents/other/sessions/{session_id}/fork")
        assert forked.status_code == 200
        copy = (await client.get(f"/sessions/{forked.json()['session_id']}")).json()
        assert copy["participants"] == both


async def test_without_tokens_a_named_user_still_has_sessions_of_their_own(client):
    session_id = (await whole(client, user_id="ann", session_state={"of": "ann"}))["session_id"]
    bobs = await whole(client, session_id=session_id, user_id="bob")
    assert (bobs["user_id"], bobs["session_state"]) == ("bob", {})
    assert (await whole(client, session_id=session_id, user_id="ann"))["session_state"] == {"of": "ann"}
    unclear = await client.post(RUNS, json={"message": "hi", "session_id": session_id})
    assert (unclear.status_code, unclear.json()["code"]) == (409, "ambiguous_session")


async def test_a_session_made_beforehand_takes_its_first_run(client):
    made = await client.post("/sessions", json={"session_id": "mine", "session_name": "Mine"})
    assert made.status_code == 201
    assert (await whole(client, session_id="mine"))["session_id"] == "mine"
    assert (await client.get("/sessions/mine")).json()["session_name"] == "Mine"


async def test_everything_sent_reaches_the_run():
    async def play(context):
        seen = {
            "state": context.session_state,
            "dependencies": context.dependencies,
            "metadata": context.metadata,
            "schema": context.output_schema,
        }
        yield RunContent(content="")
        context.run.content = seen

    sent = {
        "session_state": {"a": 1},
        "dependencies": {"b": 2},
        "metadata": {"c": 3},
        "output_schema": {"type": "object"},
    }
    async with serving(AgentOS(agents=[Played(play)]).get_app()) as client:
        by_json = await whole(client, "/agents/played/runs", **sent)
        texts = {name: json.dumps(value) for name, value in sent.items()}
        by_form = await client.post("/agents/played/runs", data={"message": "hi", "stream": "false", **texts})
        assert by_json["content"] == by_form.json()["content"]
        assert list(by_json["content"].values()) == list(sent.values())


async def test_uploads_become_pictures_and_documents_by_their_type(client):
    uploads = [
        ("files", ("cat.png", b"png", "image/png")),
        ("files", ("notes.txt", b"notes", "text/plain; charset=utf-8")),
        ("files", ("table.csv", b"a,b", "application/octet-stream")),
        ("files", ("paper.pdf", b"%PDF", "application/pdf")),
    ]
    response = await client.post(RUNS, data={"message": "look", "stream": "false"}, files=uploads)
    sent = response.json()["input"]
    assert [(image["filename"], image["key"]) for image in sent["images"]] == [
        ("cat.png", sha256(b"png").hexdigest())
    ]
    assert [(file["filename"], file["mime_type"]) for file in sent["files"]] == [
        ("notes.txt", "text/plain"),
        ("table.csv", "text/csv"),
        ("paper.pdf", "application/pdf"),
    ]


@pytest.mark.parametrize("name", ["files", "file", "files[]", "file[]", "files[0]"])
async def test_uploads_come_under_the_names_that_clients_use(client, name):
    uploads = [(name, (f"{each}.txt", each.encode(), "text/plain")) for each in ("a", "b")]
    run = (await client.post(RUNS, data={"message": "look", "stream": "false"}, files=uploads)).json()
    assert [file["filename"] for file in run["input"]["files"]] == ["a.txt", "b.txt"]


async def test_media_come_as_base64_and_addresses_too(client):
    images = [{"content": b64encode(b"png").decode(), "mime_type": "image/png"}]
    files = [{"url": "https://example.org/paper.pdf"}]
    by_json = await whole(client, images=images, input_files=files)
    texts = {"images": json.dumps(images), "input_files": json.dumps(files)}
    by_form = (await client.post(RUNS, data={"message": "hi", "stream": "false", **texts})).json()
    for run in (by_json, by_form):
        assert run["input"]["images"][0]["key"] == sha256(b"png").hexdigest()
        assert run["input"]["files"][0]["url"] == "https://example.org/paper.pdf"


async def test_an_upload_that_no_model_reads_is_refused(client):
    files = [("files", ("a.exe", b"MZ", "application/x-msdownload"))]
    refused = await client.post(RUNS, data={"message": "run it"}, files=files)
    assert (refused.status_code, refused.json()["detail"]) == (400, "Unsupported file type")
    assert (await client.get("/sessions")).json()["data"] == []


async def test_an_agent_without_a_database_runs_all_the_same():
    async with serving(AgentOS(agents=[agent()]).get_app()) as client:
        run = await whole(client)
        assert run["content"] == "hello"
        assert (await client.get(f"{RUNS}/{run['run_id']}")).status_code == 404
