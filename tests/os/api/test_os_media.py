"""Images and documents are kept apart from messages, once for each session."""

import asyncio
from base64 import b64encode
from hashlib import sha256

import psycopg
import pytest

from agentos.models.base import ModelResponse
from agentos.os import AgentOS
from agentos.run.media import Image
from agentos.run.messages import Message
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunStatus
from tests.db.made import a_run, accepted, finished
from tests.os.apps import ADMIN, agent, bearer, secured, serving

RUNS = "/agents/web/runs"
PNG, DOCUMENT = b"\x89PNG" + b"p" * 50_000, b"<script>alert(1)</script>"
KEY = sha256(PNG).hexdigest()
ANN, BOB, ROOT = bearer("ann"), bearer("bob"), bearer("root", ADMIN)
FILES = [("files", ("a.png", PNG, "image/png")), ("files", ("a.html", DOCUMENT, "text/html"))]


class Looking:
    """A model that says what it sees: how many bytes each image of each message has."""

    def __init__(self):
        self.seen = []

    def answer(self, request):
        self.seen.append([len(image.content) for each in request.messages for image in each.images or ()])
        return ModelResponse(content="seen")


@pytest.fixture
def looking():
    return Looking()


@pytest.fixture
async def client(db, looking):
    web = agent(looking.answer, db=db, add_history_to_context=True)
    async with serving(secured(AgentOS(agents=[web]).get_app())) as client:
        yield client


async def sent(client, headers=ANN, **fields):
    data = {"message": "look", "stream": "false", "session_id": "s", **fields}
    response = await client.post(RUNS, data=data, files=FILES, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_messages_refer_to_media_that_are_fetched_by_key(client, looking, database):
    first, second = await sent(client), await sent(client)
    assert looking.seen == [[len(PNG)], [len(PNG)] * 2]  # the second time from the history
    listed = (await client.get("/sessions/s/runs", headers=ANN)).json()
    stored = (await client.get(f"{RUNS}/{first['run_id']}", headers=ANN)).json()
    for run in (first["input"], second["input"], stored["input"], *listed, *first["messages"]):
        if "images" in run:
            (image,) = run["images"]
            assert (image["key"], image["mime_type"], "content" in image) == (KEY, "image/png", False)
    assert "images" in listed[0]
    got = await client.get(f"/sessions/s/media/{KEY}", headers=ANN)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, PNG, "image/png")
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM ai.agentos_media").fetchone() == (2,)
        size = "SELECT max(length(r::text)) FROM ai.agentos_runs AS r"
        assert connection.execute(size).fetchone()[0] < 10_000


async def test_what_somebody_sent_is_no_page_of_this_server(client):
    await sent(client)
    got = await client.get(f"/sessions/s/media/{sha256(DOCUMENT).hexdigest()}", headers=ANN)
    assert (got.content, got.headers["content-type"]) == (DOCUMENT, "application/octet-stream")
    assert got.headers["content-disposition"] == "attachment"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("sandbox")
    again = {**ANN, "If-None-Match": got.headers["etag"]}
    assert (await client.get(got.url, headers=again)).status_code == 304
    assert got.headers["cache-control"] == "private, no-cache"
    again = {**BOB, "If-None-Match": got.headers["etag"]}
    assert (await client.get(got.url, headers=again)).status_code == 404


@pytest.mark.parametrize(("headers", "status"), [(ANN, 200), (BOB, 404), (ROOT, 200)])
async def test_media_are_their_owners(client, headers, status):
    await sent(client)
    await client.post("/sessions", json={"session_id": "mine"}, headers=BOB)
    for session_id in ("s", "mine"):
        got = await client.get(f"/sessions/{session_id}/media/{KEY}", headers=headers)
        assert got.status_code == (status if session_id == "s" else 404)
    if headers is BOB:
        await sent(client, headers=BOB)
        assert (await client.get(f"/sessions/s/media/{KEY}", headers=BOB)).content == PNG
        both = await client.get(f"/sessions/s/media/{KEY}", headers=ROOT)
        assert (both.status_code, both.json()["code"]) == (409, "ambiguous_session")
        named = await client.get(f"/sessions/s/media/{KEY}?user_id=bob", headers=ROOT)
        assert named.content == PNG


async def test_a_scope_is_needed(client):
    await sent(client)
    refused = await client.get(f"/sessions/s/media/{KEY}", headers=bearer("ann", "agents:run"))
    assert (refused.status_code, refused.json()["missing"]) == (403, ["sessions:read"])


@pytest.mark.parametrize("key", ["x", KEY.upper(), KEY + "0"])
async def test_a_key_is_a_hash(client, key):
    assert (await client.get(f"/sessions/s/media/{key}", headers=ANN)).status_code == 422


async def test_nobody_sends_a_key(client):
    await sent(client)
    for image in ({"key": KEY}, {"key": KEY, "content": b64encode(PNG).decode()}):
        body = {"message": "look", "images": [image], "session_id": "s"}
        refused = await client.post(RUNS, json=body, headers=ANN)
        assert refused.status_code == 422
        assert "images" in str(refused.json())


async def test_media_of_a_queued_and_of_a_branched_run_reach_the_model(client, looking):
    queued = await client.post(
        RUNS,
        data={"message": "look", "session_id": "s", "background": "true", "stream": "false"},
        files=FILES,
        headers=ANN,
    )
    url = f"{RUNS}/{queued.json()['run_id']}"
    assert (await client.get(f"{url}/events", headers=ANN)).status_code == 200
    again = await client.post(f"{url}/continue", json={"regenerate": True, "stream": False}, headers=ANN)
    assert again.json()["status"] == "COMPLETED"
    assert looking.seen == [[len(PNG)]] * 2


ODD = "te\ufffdxt"
UNSTORABLE = {
    "a type in JSON": {"json": {"input_files": [{"content": "YQ==", "mime_type": "te\0xt"}]}},
    "a name in JSON": {"json": {"input_files": [{"content": "YQ==", "filename": "te\0xt"}]}},
    "a type in a form": {"kind": "text/te\0xt"},
    "a name in a form": {"name": "te\0xt.txt"},
    "a name in a charset of surrogates": {"name": "te\\ud800xt.txt", "charset": "; charset=unicode_escape"},
}


def odd_form(*, name="a.txt", kind="text/plain", charset=""):
    parts = (
        '--x\r\nContent-Disposition: form-data; name="message"\r\n\r\nlook\r\n'
        '--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\nfalse\r\n'
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\na\r\n--x--\r\n"
    )
    return {"content": parts, "headers": {"content-type": f"multipart/form-data; boundary=x{charset}"}}


@pytest.mark.parametrize("odd", UNSTORABLE.values(), ids=UNSTORABLE)
async def test_names_and_types_that_cannot_be_stored_are_repaired(client, odd):
    asked = {"message": "look", "stream": False}
    body = {"json": {**asked, **odd["json"]}} if "json" in odd else odd_form(**odd)
    answered = await client.post(RUNS, **body | {"headers": {**body.get("headers", {}), **ANN}})
    assert answered.status_code == 200, answered.text
    run = (await client.get(f"{RUNS}/{answered.json()['run_id']}", headers=ANN)).json()
    (kept,) = run["input"]["files"]
    assert ODD in kept.get("filename", "") + kept.get("mime_type", "")
    session = answered.json()["session_id"]
    assert (await client.get(f"/sessions/{session}/media/{kept['key']}", headers=ANN)).content == b"a"


async def test_media_go_with_their_session(client, db):
    await sent(client)
    forked = (await client.post("/agents/web/sessions/s/fork", headers=ANN)).json()["session_id"]
    later = (
        await client.post(
            RUNS, data={"message": "no file", "session_id": "t", "stream": "false"}, headers=ANN
        )
    ).json()
    await client.post(RUNS, data={"message": "look", "session_id": "t"}, files=FILES, headers=ANN)
    part = await client.post(f"/agents/web/sessions/t/fork?run_id={later['run_id']}", headers=ANN)
    for session_id, status in (("t", 200), (part.json()["session_id"], 404)):
        assert (await client.get(f"/sessions/{session_id}/media/{KEY}", headers=ANN)).status_code == status
    lines = [line async for line in db.export_session("s", owner="ann")]
    assert (await client.delete("/sessions/s", headers=ANN)).status_code == 204
    assert (await client.get(f"/sessions/s/media/{KEY}", headers=ANN)).status_code == 404
    assert (await client.get(f"/sessions/{forked}/media/{KEY}", headers=ANN)).content == PNG

    async def file():
        for line in lines:
            yield line

    await db.import_session(file(), owner="bob")
    assert (await client.get(f"/sessions/s/media/{KEY}", headers=BOB)).content == PNG


async def test_what_a_run_makes_is_kept_at_its_end_and_again_if_that_failed(db):
    run = a_run(messages=[Message(role="tool", content="drawn", images=[Image(content=b64encode(PNG))])])
    await accepted(db, a := a_run(run_id="other"))
    run.input = RunInput(input_content="draw")
    before, run.messages = run.messages, []
    await accepted(db, run)
    run.messages = before
    with pytest.raises(Exception, match="Run"):
        await finished(db, run, owner="bob")
    assert run.messages[0].images[0].key is None
    await finished(db, run)
    assert (await db.get_media("chat", KEY, owner="alice")).content == PNG
    assert await db.get_media("chat", KEY, owner="bob") is None
    history = (await accepted(db, a_run(), history_runs=3, owner=ANYONE)).history
    assert [image.content for each in history for image in each.images or ()] == [PNG]
    assert a.messages == []


async def test_a_run_that_is_rolled_back_leaves_no_bytes_that_nobody_else_has_sent(db, database):
    shared, own = Image(content=b64encode(PNG)), Image(content=b64encode(b"own"))
    kept = a_run()
    kept.input = RunInput(input_content="x", images=[shared.model_copy()])
    await accepted(db, kept)
    undone = a_run()
    undone.input = RunInput(input_content="x", images=[shared.model_copy(), own])
    await accepted(db, undone)
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute(
            "UPDATE ai.agentos_runs SET cancelling = 'rollback' WHERE run_id = %s", [undone.run_id]
        )
    await finished(db, undone, status=RunStatus.CANCELLED)
    assert await db.get_media("chat", sha256(b"own").hexdigest(), owner="alice") is None
    assert (await db.get_media("chat", KEY, owner="alice")).content == PNG


async def test_the_same_bytes_in_many_runs_at_once_are_one_row(client, database):
    await asyncio.gather(*(sent(client) for _ in range(4)))
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM ai.agentos_media").fetchone() == (2,)
