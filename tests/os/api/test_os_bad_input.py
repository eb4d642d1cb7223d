"""What can't be used is refused by name, and starts nothing."""

import json

import pytest

from agentos.os import AgentOS
from tests.os.apps import agent, serving

RUNS = "/agents/web/runs"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


@pytest.fixture
async def client(empty_db):
    """Of a server that holds nothing."""
    async with serving(AgentOS(agents=[agent()], db=empty_db).get_app()) as client:
        yield client


@pytest.fixture
def asked():
    """What reached the model."""
    return []


@pytest.fixture
async def runner(asked):
    """A client of a server whose agent stores nothing."""

    def answer(request):
        asked.append(request)
        return "hello"

    async with serving(AgentOS(agents=[agent(answer)]).get_app()) as client:
        yield client


def json_body(**fields):
    return {
        "content": json.dumps({"message": "hi", **fields}),
        "headers": {"content-type": "application/json"},
    }


def raw(content, content_type="application/json"):
    return {"content": content, "headers": {"content-type": content_type}}


def part(name, value):
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"


def upload(**files):
    return {"data": {"message": "hi"}, "files": files}


REFUSED = {
    "nothing at all": ({}, 422, ["message"]),
    "no message": ({"data": {"stream": "true"}}, 422, ["message"]),
    "empty message in a form": ({"data": {"message": ""}}, 422, ["message"]),
    "empty message in JSON": (json_body(message=""), 422, ["message"]),
    "message is no text": (json_body(message=1), 422, ["message"]),
    "message is a file": ({"files": {"message": ("a.txt", b"hi")}}, 422, ["message"]),
    "NUL in the message": (json_body(message="a\0b"), 422, ["message"]),
    "NUL in a form's message": ({"data": {"message": "a\0b"}}, 422, ["message"]),
    "stream is no boolean": (json_body(stream="perhaps"), 422, ["stream"]),
    "broken JSON": (raw(b'{"message": '), 422, []),
    "lone surrogate in JSON": (raw(b'{"message": "\\ud800"}'), 422, []),
    "bytes that aren't UTF-8": (raw(b'{"message": "\xff"}'), 422, []),
    "JSON that nests too deep": (raw(b'{"message": "hi", "session_state": ' + b"[" * 99999), 422, []),
    "JSON that is no object": (raw(b'["message"]'), 422, []),
    "multipart that breaks off": (raw(part(b"message", b"hi"), MULTIPART), 422, []),
    "multipart without a boundary": (raw(part(b"message", b"hi"), "multipart/form-data"), 422, []),
    "multipart part without a name": (raw(b"--x\r\n\r\nhi\r\n--x--\r\n", MULTIPART), 422, []),
    "multipart that is none": (raw(b"message=hi", MULTIPART), 422, []),
    "multipart in a charset that fails": (
        raw(part(b"message", b"hi") + b"--x--\r\n", f"{MULTIPART}; charset=undefined"),
        422,
        [],
    ),
    "multipart in another charset that fails": (
        raw(part(b"message", b"\xff") + b"--x--\r\n", f"{MULTIPART}; charset=punycode"),
        422,
        [],
    ),
    "a lone surrogate in a form's JSON": (
        raw(
            part(b"message", b"hi") + part(b"metadata", b'{"a": "\\ud800"}') + b"--x--\r\n",
            f"{MULTIPART}; charset=unicode_escape",
        ),
        422,
        ["metadata"],
    ),
    "more fields than a form has": (raw(b"a=1&" * 1001, FORM), 422, []),
    "more fields than multipart has": (
        raw(part(b"a", b"1") * 1001 + part(b"message", b"hi") + b"--x--\r\n", MULTIPART),
        422,
        [],
    ),
    "more files than a message carries": ({"files": [("files", ("a.txt", b"a"))] * 101}, 422, []),
    "another content type": (raw(b"message: hi", "application/yaml"), 415, None),
    "no content type": ({"content": b"hi"}, 415, None),
    "a session id with a slash": (json_body(session_id="a/b"), 422, ["session_id"]),
    "a session id with a backslash": (json_body(session_id="a\\b"), 422, ["session_id"]),
    "a session id of dots": (json_body(session_id=".."), 422, ["session_id"]),
    "sound": (json_body(audio=[{"url": "https://example.org"}]), 422, ["audio"]),
    "files as text": ({"data": {"message": "hi", "files": "a.txt"}}, 422, ["files"]),
    "a file as text": ({"data": {"message": "hi", "file": "@a.txt"}}, 422, ["file"]),
    "files in JSON": (json_body(files=[{"content": "YQ=="}]), 422, ["files"]),
    "a file under another name": (upload(attachment=("a.txt", b"hi")), 422, ["attachment"]),
    "a file beside a text of its name": (
        {"data": {"message": "hi", "note": "x"}, "files": {"note": ("a.txt", b"hi")}},
        422,
        ["note"],
    ),
    "a file as the pictures' JSON": (upload(images=("a.png", b"png", "image/png")), 422, ["images"]),
    "picture without content": (json_body(images=[{}]), 422, ["images", 0]),
    "picture that isn't base64": (json_body(images=[{"content": "abc"}]), 422, ["images", 0, "content"]),
    "pictures that aren't an array": (json_body(images={}), 422, ["images"]),
    "empty session id": (json_body(session_id=""), 422, ["session_id"]),
    "long session id": (json_body(session_id="s" * 256), 422, ["session_id"]),
    "10 MB of session id": (json_body(session_id="s" * 10_000_000), 422, ["session_id"]),
    "a megabyte of user id": ({"data": {"message": "hi", "user_id": "u" * 1_000_000}}, 422, ["user_id"]),
    "NUL in a session id": (json_body(session_id="a\0"), 422, ["session_id"]),
    "line break in a session id": (json_body(session_id="a\nb"), 422, ["session_id"]),
    "number as a session id": (json_body(session_id=1), 422, ["session_id"]),
}
for field in ("session_state", "metadata", "dependencies"):
    REFUSED |= {
        f"{field} is an array": (json_body(**{field: []}), 422, [field]),
        f"{field} is text": (json_body(**{field: "{}"}), 422, [field]),
        f"{field} is null": (json_body(**{field: None}), 422, [field]),
        f"{field} in a form is an array": ({"data": {"message": "hi", field: "[1]"}}, 422, [field]),
        f"{field} in a form isn't JSON": ({"data": {"message": "hi", field: "{a"}}, 422, [field]),
        f"{field} holds infinity": (
            raw(f'{{"message":"hi","{field}":{{"a":1e999}}}}'.encode()),
            422,
            [field],
        ),
        f"{field} nests too deep": (
            raw(f'{{"message":"hi","{field}":{{"a":{"[" * 80 + "]" * 80}}}}}'),
            422,
            [field],
        ),
        f"{field} holds NUL": (json_body(**{field: {"a": ["\0"]}}), 422, [field]),
    }


@pytest.mark.parametrize(("sent", "status", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_run_that_makes_no_sense_is_refused_by_name(runner, asked, sent, status, field):
    refused = await runner.post(RUNS, **sent)
    assert refused.status_code == status, refused.text[:500]
    detail = refused.json()["detail"]
    if field is None:
        assert isinstance(detail, str)
    else:
        assert detail[0]["loc"][: len(field) + 1] == ["body", *field]
        assert set(detail[0]) <= {"type", "loc", "msg", "input"}
        assert len(refused.content) < 5000
    assert asked == []


ALLOWED = {
    "a session id as long as it may be": json_body(session_id="s" * 255),
    "a session id of any letters": json_body(session_id="Zoë — 会话 #1"),
    "a message of a megabyte": {"data": {"message": "x" * 1_000_000}},
    "a multipart message of a megabyte": {"files": {"message": (None, "x" * 1_000_000)}},
    "no background": json_body(background=False, audio=[], videos=None),
    "an empty choice of file": raw(b"message=hi&files=", FORM),
    "an empty choice of file in multipart": raw(
        part(b"message", b"hi") + part(b'files"; filename="', b"") + b"--x--\r\n", MULTIPART
    ),
    "an empty choice of file under any name": raw(
        part(b"message", b"hi") + part(b'attachment"; filename="', b"") + b"--x--\r\n", MULTIPART
    ),
    "no files in JSON": json_body(files=[], file=None),
    "empty fields of a form": {"data": {"message": "hi", "session_id": "", "user_id": "", "metadata": ""}},
    "line breaks and tabs": json_body(message="a\n\tb"),
}


@pytest.mark.parametrize("sent", ALLOWED.values(), ids=ALLOWED)
async def test_what_is_odd_but_clear_runs(runner, asked, sent):
    answered = await runner.post(RUNS, **sent)
    assert answered.status_code == 200, answered.text[:500]
    assert len(asked) == 1


QUERIES = {
    "page zero": "page=0",
    "negative page": "page=-1",
    "huge page": "page=99999999999999999999",
    "limit zero": "limit=0",
    "huge limit": "limit=1001",
    "unknown sort_by": "sort_by=user_id;drop",
    "unknown order": "sort_order=down",
}


@pytest.mark.parametrize("path", ["/sessions", "/memories"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_a_list_that_makes_no_sense_is_refused(client, path, query):
    refused = await client.get(f"{path}?{query}")
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize("path", ["/sessions", "/memories", "/user_memory_stats"])
async def test_the_last_page_and_the_longest_are_answered(client, path):
    answered = await client.get(f"{path}?page=2147483647&limit=1000")
    assert (answered.status_code, answered.json()["data"]) == (200, [])


LISTS = ("/sessions", "/memories", "/user_memory_stats", "/approvals")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", ["cursor=x", "cursor=", "cursor=W10", "cursor=%00", f"cursor={'x' * 5121}"])
async def test_a_cursor_that_cannot_be_read_is_refused(client, path, query):
    refused = await client.get(f"{path}?{query}")
    (finding,) = refused.json()["detail"]
    assert (refused.status_code, finding["loc"]) == (422, ["query", "cursor"])


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_and_a_cursor_are_not_taken_together(client, path):
    for page in (1, 2):
        refused = await client.get(f"{path}?page={page}&cursor=x")
        (finding,) = refused.json()["detail"]
        assert refused.status_code == 422
        assert "send either page or cursor, not both" in finding["msg"]


UNKNOWN = {
    "agent": "/agents/nobody",
    "agent's runs": "/agents/nobody/runs?session_id=x",
    "session": "/sessions/x",
    "session with NUL": "/sessions/%00",
    "session that isn't UTF-8": "/sessions/%ff%fe",
    "session with half a character": "/sessions/%ed%a0%80",
    "session of an agent": f"{RUNS}?session_id=x",
    "run": f"{RUNS}/x",
    "run with NUL": f"{RUNS}/%00",
    "run's events": f"{RUNS}/x/events",
    "memory": "/memories/x",
    "memory with NUL": "/memories/%00",
    "long memory id": f"/memories/{'x' * 20000}",
}


@pytest.mark.parametrize("url", UNKNOWN.values(), ids=UNKNOWN)
async def test_what_isnt_there_is_not_found_by_its_kind(client, url):
    absent = await client.get(url)
    kind = next(name for name in ("Memory", "Agent", "Run", "Session") if name in absent.json()["detail"])
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
    assert kind.lower() in next(name for name, given in UNKNOWN.items() if given == url)


BODIES = {
    "session state is an array": ("POST", "/sessions", {"session_state": []}, "session_state"),
    "session id with NUL": ("POST", "/sessions", {"session_id": "\0"}, "session_id"),
    "session id with half a character": ("POST", "/sessions", {"session_id": "\ud800"}, "session_id"),
    "session name with half a character": ("POST", "/sessions", {"session_name": "\ud800"}, "session_name"),
    "state with half a character": ("POST", "/sessions", {"session_state": {"a": "\ud800"}}, "session_state"),
    "long agent id": ("POST", "/sessions", {"agent_id": "a" * 1_000_000}, "agent_id"),
    "no name": ("POST", "/sessions/x/rename", {}, "session_name"),
    "metadata is text": ("PATCH", "/sessions/x", {"metadata": "a"}, "metadata"),
    "no ids": ("DELETE", "/sessions", {"session_ids": [], "session_types": []}, "session_ids"),
    "no memory": ("POST", "/memories", {"user_id": "ann"}, "memory"),
    "empty memory": ("POST", "/memories", {"user_id": "ann", "memory": ""}, "memory"),
    "long memory": ("POST", "/memories", {"user_id": "ann", "memory": "m" * 5001}, "memory"),
    "memory with NUL": ("PATCH", "/memories/x", {"memory": "\0"}, "memory"),
    "no memory ids": ("DELETE", "/memories", {"memory_ids": []}, "memory_ids"),
}


@pytest.mark.parametrize(("method", "url", "body", "field"), BODIES.values(), ids=BODIES)
async def test_a_body_that_makes_no_sense_is_refused_by_name(client, method, url, body, field):
    content = json.dumps(body).encode()
    refused = await client.request(method, url, content=content, headers={"content-type": "application/json"})
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"][:2] == ["body", field]
    assert len(refused.content) < 5000


@pytest.mark.parametrize("url", ["/sessions", "/memories"])
@pytest.mark.parametrize("content", [b"{", b"[" * 99999, b"\xff"])
async def test_json_that_is_broken_is_a_fault_of_the_callers(client, url, content):
    refused = await client.post(url, content=content, headers={"content-type": "application/json"})
    assert 400 <= refused.status_code < 500


async def test_ids_to_delete_come_with_their_types(client):
    body = {"session_ids": ["a", "b"], "session_types": ["agent"]}
    refused = await client.request("DELETE", "/sessions", json=body)
    assert refused.status_code == 422
    assert "same length" in refused.text
