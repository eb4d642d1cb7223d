"""JSON that is too large, too much or too deep is refused before it is parsed, on every route."""

import json
from base64 import b64encode

import pytest

from agentos.os import AgentOS
from tests.os.apps import agent, serving

JSON = {"content-type": "application/json"}
TAKEN = [
    ("POST", "/agents/web/runs", b'{"message": "hi", "stream": false, "dependencies": {"a": %s}}'),
    ("POST", "/sessions?type=agent", b'{"session_state": {"a": %s}}'),
    ("PATCH", "/sessions/mine?type=agent", b'{"session_state": {"a": %s}}'),
    ("POST", "/memories", b'{"memory": "I am", "user_id": "ann", "unknown": %s}'),
]
REFUSED = {
    "too large": (b'"' + b"abcd" * 256 * 1024 + b'"', 413, "payload_too_large"),
    "too much": (b"[" + b"[]," * 100_000 + b"[]]", 422, "invalid_input"),
    "too deep": (b"[" * 101 + b"]" * 101, 422, "invalid_input"),
}


@pytest.fixture
async def client(db):
    async with serving(AgentOS(agents=[agent()], db=db).get_app()) as client:
        await client.post("/sessions?type=agent", json={"session_id": "mine"})
        yield client


@pytest.mark.parametrize(("method", "path", "body"), TAKEN, ids=[path for _, path, _ in TAKEN])
async def test_json_is_limited_on_every_route(client, method, path, body):
    async def sent(value):
        return await client.request(method, path, content=body % value, headers=JSON)

    for value, status, code in REFUSED.values():
        answered = await sent(value)
        assert (answered.status_code, answered.json()["code"]) == (status, code), answered.text
    assert (await sent(b'["%s"]' % (b"x" * 1_000_000))).status_code != 413
    assert (await sent(b"[[1]]")).is_success


async def test_a_field_of_a_form_is_limited_like_json(client):
    for field, why in [("message", "too large"), ("metadata", "too much"), ("session_state", "too deep")]:
        value, status, code = REFUSED[why]
        text = value.decode() if field == "message" else f'{{"a": {value.decode()}}}'
        answered = await client.post(
            "/agents/web/runs", data={"message": "hi", "stream": "false", field: text}
        )
        assert (answered.status_code, answered.json()["code"]) == (status, code), answered.text


async def test_images_in_json_count_as_uploads(client):
    image = {"content": b64encode(bytes(range(256)) * 8000).decode(), "mime_type": "image/png"}
    for sent in [
        {"json": {"message": "look", "stream": False, "images": [image]}},
        {"files": {"message": (None, "look"), "stream": (None, "no"), "images": (None, json.dumps([image]))}},
    ]:
        answered = await client.post("/agents/web/runs", **sent)
        assert answered.status_code == 200, answered.text


@pytest.mark.parametrize("text", [b"%41", b"\x80", b"x"])
async def test_a_form_that_isnt_multipart_is_refused_before_it_is_read(client, text):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    most, start = 1024 * 1024, b"stream=false&message="
    body = start + text * ((most - len(start)) // len(text))
    assert (await client.post("/agents/web/runs", content=body, headers=headers)).status_code == 200
    refused = await client.post("/agents/web/runs", content=body + text * 3, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")


async def test_an_operator_sets_the_limits():
    app = AgentOS(agents=[agent()], max_json_bytes=100, max_json_values=5).get_app()
    async with serving(app) as client:
        for extra, status in [({}, 200), ({"a": "x" * 100}, 413), ({"a": [1, 2, 3]}, 422)]:
            asked = {"message": "hi", "stream": False, **extra}
            assert (await client.post("/agents/web/runs", json=asked)).status_code == status


@pytest.mark.parametrize("policy", [None, "enqueue"])
async def test_the_state_of_a_session_has_a_limit(db, policy):
    db.max_state_bytes = 1000
    session = {"session_id": "mine", "session_state": {"a": "x" * 500}}
    async with serving(AgentOS(agents=[agent()], db=db).get_app()) as client:
        assert (await client.post("/sessions?type=agent", json=session)).status_code == 201
        run = {"message": "hi", "stream": False, "session_id": "mine", "multitask": policy}
        for state, status in [({"b": "x" * 300}, 200), ({"c": "x" * 300}, 413), ({"b": "x"}, 200)]:
            answered = await client.post("/agents/web/runs", json={**run, "session_state": state})
            assert answered.status_code == status, answered.text
        large = {"session_state": {"a": "x" * 1000}}
        for method, path in [("POST", "/sessions?type=agent"), ("PATCH", "/sessions/mine?type=agent")]:
            answered = await client.request(method, path, json=large)
            assert (answered.status_code, answered.json()["code"]) == (413, "state_too_large")
        found = await client.get("/sessions/mine?type=agent")
        assert found.json()["session_state"] == {"a": "x" * 500, "b": "x"}
