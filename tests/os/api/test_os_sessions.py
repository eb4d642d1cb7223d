"""Sessions over HTTP: what routes answer, and whose sessions they touch."""

from datetime import datetime

import pytest

from agentos.os import AgentOS
from tests.conftest import administering
from tests.os.apps import ADMIN, agent, bearer, frames, secured, serving

RUNS = "/agents/web/runs"
ANN, BOB, ROOT = bearer("ann"), bearer("bob"), bearer("root", ADMIN)


@pytest.fixture
def app(db):
    return AgentOS(agents=[agent(["hel", "lo"], db=db)]).get_app()


@pytest.fixture
async def client(app):
    async with serving(app) as client:
        yield client


@pytest.fixture
async def guarded(app):
    """Ann has a session with a run in it."""
    async with serving(secured(app)) as client:
        await run(client, "anns", headers=ANN)
        yield client


async def run(client, session_id, message="hi", headers=None, **fields):
    body = {"message": message, "stream": False, "session_id": session_id, **fields}
    response = await client.post(RUNS, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def is_utc(text):
    return text.endswith("Z") and datetime.fromisoformat(text).tzinfo is not None


async def test_a_list_shows_sessions_without_their_runs(client):
    await run(client, "s1", "Tell me about rivers", user_id="ann", session_state={"a": 1})
    listed = (await client.get("/sessions")).json()
    (shown,) = listed["data"]
    assert (
        shown.items()
        >= {
            "session_id": "s1",
            "session_name": "Tell me about rivers",
            "session_type": "agent",
            "agent_id": "web",
            "user_id": "ann",
            "session_state": {"a": 1},
            "total_tokens": 0,
        }.items()
    )
    assert is_utc(shown["created_at"])
    assert is_utc(shown["updated_at"])
    assert not {"team_id", "metadata", "chat_history", "runs"} & shown.keys()
    meta = listed["meta"]
    assert meta.pop("search_time_ms") > 0
    counts = {"page": 1, "limit": 20, "total_pages": 1, "total_count": 1}
    assert meta == {**counts, "has_more": False, "next_cursor": None}


async def test_lists_are_paged_sorted_and_narrowed(client):
    for name in ("beta", "alpha", "gamma"):
        await client.post("/sessions", json={"session_id": name, "session_name": name, "agent_id": "web"})

    async def ids(query):
        return [row["session_id"] for row in (await client.get(f"/sessions?{query}")).json()["data"]]

    assert await ids("") == ["gamma", "alpha", "beta"]
    assert await ids("sort_order=asc") == ["beta", "alpha", "gamma"]
    assert await ids("sort_by=session_name&sort_order=asc&limit=2") == ["alpha", "beta"]
    assert await ids("sort_by=session_name&sort_order=asc&limit=2&page=2") == ["gamma"]
    assert await ids("page=9") == []
    assert await ids("session_name=AMM") == ["gamma"]
    assert await ids("session_name=%25") == []
    assert await ids("component_id=web&limit=1") == ["gamma"]
    assert await ids("component_id=other") == []
    assert await ids("type=team") == []


async def test_a_list_goes_on_with_a_cursor(client):
    for number in range(5):
        await client.post("/sessions", json={"session_id": f"s{number}", "agent_id": "web"})
    first = (await client.get("/sessions?limit=2")).json()
    assert [row["session_id"] for row in first["data"]] == ["s4", "s3"]
    assert first["meta"].items() >= {"page": 1, "total_count": 5, "total_pages": 3, "has_more": True}.items()
    cursor = first["meta"]["next_cursor"]
    rest = (await client.get("/sessions", params={"cursor": cursor, "limit": 3})).json()
    assert [row["session_id"] for row in rest["data"]] == ["s2", "s1", "s0"]
    assert rest["meta"].items() >= {"total_count": 5, "has_more": False}.items()
    assert (rest["meta"]["page"], rest["meta"]["next_cursor"]) == (None, None)
    other = await client.get("/sessions", params={"cursor": cursor, "sort_order": "asc"})
    (finding,) = other.json()["detail"]
    assert (other.status_code, finding["loc"]) == (422, ["query", "cursor"])
    assert "another list or order" in finding["msg"]


async def test_a_list_too_long_to_be_counted_says_so(client, database):
    with administering(database) as admin:
        admin.execute(
            "INSERT INTO ai.agentos_sessions (session_id, kind)"
            " SELECT 's' || n, 'agent' FROM generate_series(1, 10001) AS n"
        )
    meta = (await client.get("/sessions?limit=1")).json()["meta"]
    assert {**meta, "search_time_ms": 0, "next_cursor": ""} == {
        "page": 1,
        "limit": 1,
        "total_pages": None,
        "total_count": None,
        "has_more": True,
        "next_cursor": "",
        "search_time_ms": 0,
    }


async def test_a_session_shows_all_that_was_said(client):
    await run(client, "s1", "one")
    await run(client, "s1", "two")
    shown = (await client.get("/sessions/s1")).json()
    assert [message["content"] for message in shown["chat_history"]] == ["one", "hello", "two", "hello"]
    assert (shown["agent_session_id"], shown["agent_id"]) == ("s1", "web")
    assert "metadata" not in shown
    assert (await client.get("/sessions/s1?type=agent")).status_code == 200
    wrong = await client.get("/sessions/s1?type=team")
    assert (wrong.status_code, wrong.json()["detail"]) == (404, "Team Session with id 's1' not found")


async def test_a_session_is_made_once(client):
    body = {
        "session_id": "s1",
        "session_name": "One",
        "session_state": {"a": 1},
        "metadata": {"b": 2},
        "user_id": "ann",
        "agent_id": "web",
    }
    made = await client.post("/sessions?type=agent", json=body)
    assert made.status_code == 201
    assert made.json().items() >= body.items()
    assert made.json()["chat_history"] == []
    again = await client.post("/sessions", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert len((await client.post("/sessions")).json()["session_id"]) == 36
    team = await client.post("/sessions?type=team", json={"team_id": "t"})
    assert (team.json()["team_id"], "agent_session_id" in team.json()) == ("t", False)


async def test_a_patch_replaces_what_it_names(client):
    await client.post("/sessions", json={"session_id": "s1", "session_state": {"a": 1}, "metadata": {"b": 2}})
    changed = await client.patch("/sessions/s1", json={"session_state": {"c": 3}, "session_name": "New"})
    assert changed.status_code == 200
    assert (
        changed.json().items()
        >= {
            "session_state": {"c": 3},
            "session_name": "New",
            "metadata": {"b": 2},
            "session_summary": None,
        }.items()
    )
    assert (await client.patch("/sessions/s1", json={})).json()["session_name"] == "New"
    renamed = await client.post("/sessions/s1/rename", json={"session_name": "Newer"})
    assert renamed.json()["session_name"] == "Newer"
    for wrong in ("/sessions/nobody", "/sessions/s1?type=workflow"):
        assert (await client.patch(wrong, json={"session_name": "x"})).status_code == 404
        path, _, query = wrong.partition("?")
        assert (await client.post(f"{path}/rename?{query}", json={"session_name": "x"})).status_code == 404
    assert (await client.get("/sessions/s1")).json()["session_name"] == "Newer"


async def test_the_runs_of_a_session(client):
    first = await run(client, "s1", "one", metadata={"a": 1})
    second = await run(client, "s1", "two")
    runs = (await client.get("/sessions/s1/runs")).json()
    assert [shown["run_id"] for shown in runs] == [first["run_id"], second["run_id"]]
    assert (
        runs[0].items()
        >= {
            "agent_id": "web",
            "status": "COMPLETED",
            "run_input": "one",
            "content": "hello",
            "run_response_format": "text",
            "metadata": {"a": 1},
        }.items()
    )
    assert is_utc(runs[0]["created_at"])
    assert "team_id" not in runs[0]
    assert (await client.get(f"{RUNS}?session_id=s1")).json() == runs
    previews = (await client.get("/sessions/s1/run-previews")).json()
    assert previews[1].items() >= {"run_input": "two", "content_preview": "hello"}.items()
    assert "messages" not in previews[1]
    one = (await client.get(f"/sessions/s1/runs/{first['run_id']}")).json()
    assert one["run_input"] == "one"
    assert one["parent_run_id"] is None
    assert isinstance((await client.get(f"{RUNS}/{first['run_id']}")).json()["created_at"], int)


async def test_runs_are_narrowed_by_status_and_time(client):
    shown = await run(client, "s1")
    now = shown["created_at"]
    queries = {
        "status=COMPLETED": 1,
        "status=ERROR": 0,
        "status=ERROR&status=COMPLETED": 1,
        f"created_after={now - 5}&created_before={now + 5}": 1,
        f"created_after={now + 60}": 0,
        f"created_before={now - 60}": 0,
    }
    for query, count in queries.items():
        for url in ("/sessions/s1/runs", "/sessions/s1/run-previews"):
            assert len((await client.get(f"{url}?{query}")).json()) == count, query
    assert len((await client.get(f"{RUNS}?session_id=s1&status=ERROR")).json()) == 0
    unknown = await client.get("/sessions/s1/runs?status=DONE")
    assert (unknown.status_code, "DONE" in unknown.json()["detail"]) == (400, True)
    assert (await client.get("/sessions/s1/runs?created_after=99999999999999")).status_code == 422


async def test_a_run_is_read_only_in_its_session(client):
    shown = await run(client, "s1")
    await run(client, "s2")
    assert (await client.get(f"/sessions/s1/runs/{shown['run_id']}")).status_code == 200
    assert (await client.get(f"/sessions/s2/runs/{shown['run_id']}")).status_code == 404
    assert (await client.get(f"/sessions/s3/runs/{shown['run_id']}")).status_code == 404
    assert (await client.get(f"/sessions/s1/runs/{shown['run_id']}?type=team")).status_code == 404
    assert (await client.get(f"{RUNS}")).json()["detail"][0]["loc"] == ["query", "session_id"]


async def test_deleting_is_done_either_way(client):
    for session_id in ("s1", "s2", "s3"):
        run_id = (await run(client, session_id))["run_id"]
    assert (await client.delete("/sessions/s1")).status_code == 204
    assert (await client.delete("/sessions/s1")).status_code == 204
    many = {"session_ids": ["s2", "nobody"], "session_types": ["agent", "agent"]}
    assert (await client.request("DELETE", "/sessions", json=many)).status_code == 204
    left = (await client.get("/sessions")).json()["data"]
    assert [row["session_id"] for row in left] == ["s3"]
    await client.delete("/sessions/s3")
    assert (await client.get(f"{RUNS}/{run_id}")).status_code == 404


READS = ["/sessions/anns", "/sessions/anns/runs", "/sessions/anns/run-previews", f"{RUNS}?session_id=anns"]


@pytest.mark.parametrize("url", READS)
async def test_a_session_is_read_by_its_owner_and_administrators(guarded, url):
    as_bob = f"{url}{'&' if '?' in url else '?'}user_id=bob"
    for headers, address, status in [
        (ANN, url, 200),
        (ANN, as_bob, 200),
        (BOB, url, 404),
        (BOB, url.replace("?", "?user_id=ann&") if "?" in url else f"{url}?user_id=ann", 404),
        (ROOT, url, 200),
        (ROOT, as_bob, 404),
        (bearer(None), url, 403),
        (bearer("ann", "memories:read"), url, 403),
        ({}, url, 401),
    ]:
        assert (await guarded.get(address, headers=headers)).status_code == status, (headers, address)


async def test_lists_and_counts_hold_only_the_callers_own(guarded):
    await run(guarded, "bobs", headers=BOB)

    async def listed(headers, query=""):
        page = (await guarded.get(f"/sessions{query}", headers=headers)).json()
        assert page["meta"]["total_count"] == len(page["data"])
        return {row["session_id"] for row in page["data"]}

    assert await listed(ANN) == {"anns"}
    assert await listed(ANN, "?user_id=bob") == {"anns"}
    assert await listed(ROOT) == {"anns", "bobs"}
    assert await listed(ROOT, "?user_id=bob") == {"bobs"}
    assert await listed(bearer("carl")) == set()


WRITES = [
    ("PATCH", "/sessions/anns", {"session_name": "Mine now"}, 200),
    ("POST", "/sessions/anns/rename", {"session_name": "Mine now"}, 200),
    ("DELETE", "/sessions/anns", None, 204),
    ("DELETE", "/sessions", {"session_ids": ["anns"], "session_types": ["agent"]}, 204),
    ("POST", RUNS, {"message": "hi", "session_id": "anns"}, 200),
]


@pytest.mark.parametrize(("method", "url", "body", "status"), WRITES)
async def test_a_session_is_changed_by_its_owner_and_administrators(guarded, method, url, body, status):
    before = (await guarded.get("/sessions/anns", headers=ANN)).json()
    for headers, address in [(BOB, url), (BOB, f"{url}?user_id=ann"), (ROOT, f"{url}?user_id=bob")]:
        if method == "POST" and headers is ROOT:
            continue
        refused = await guarded.request(method, address, json=body, headers=headers)
        own = 200 if url == RUNS else 404  # a run of bob's begins a session of bob's
        assert refused.status_code == (204 if method == "DELETE" else own)
        await guarded.delete("/sessions/anns", headers=BOB)
        assert (await guarded.get("/sessions/anns", headers=ANN)).json() == before
    for headers in (ROOT, ANN):
        assert (await guarded.request(method, url, json=body, headers=headers)).status_code == status
    after = await guarded.get("/sessions/anns", headers=ANN)
    assert after.status_code == 404 if status == 204 else after.json() != before


async def test_what_a_token_makes_is_its_users(guarded):
    for headers, requested, user_id in [
        (ANN, "bob", "ann"),
        (ROOT, "bob", "bob"),
        (ROOT, None, "root"),
    ]:
        made = await guarded.post("/sessions", json={"user_id": requested}, headers=headers)
        assert made.json()["user_id"] == user_id
        fields = {"user_id": requested} if requested else {}
        assert (await run(guarded, f"{user_id}-{requested}", headers=headers, **fields))["user_id"] == user_id
    assert (await guarded.post("/sessions", headers=bearer(None))).status_code == 403
    assert (await guarded.post(RUNS, data={"message": "hi"}, headers=bearer(None))).status_code == 403


async def test_an_administrators_run_in_anns_session_is_anns(guarded):
    assert (await run(guarded, "anns", headers=ROOT))["user_id"] == "ann"
    assert len((await guarded.get("/sessions/anns/runs", headers=ANN)).json()) == 2


async def test_an_administrator_who_acts_for_bob_doesnt_reach_anns_session(guarded):
    assert (await run(guarded, "anns", headers=ROOT, user_id="bob"))["user_id"] == "bob"
    assert len((await guarded.get("/sessions/anns/runs", headers=ANN)).json()) == 1
    assert (await run(guarded, "anns", headers=ROOT, user_id="ann"))["user_id"] == "ann"
    assert len((await guarded.get("/sessions/anns/runs", headers=ANN)).json()) == 2


async def test_an_id_is_taken_for_its_owner_only(guarded):
    wanted = {"session_id": "anns", "session_name": "Mine"}
    taken = await guarded.post("/sessions", json=wanted, headers=ANN)
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    for headers in (BOB, ROOT):
        made = await guarded.post("/sessions", json=wanted, headers=headers)
        assert (made.status_code, made.json()["session_id"]) == (201, "anns")
        assert (await guarded.post("/sessions", json=wanted, headers=headers)).status_code == 409
    assert (await guarded.get("/sessions/anns", headers=ANN)).json()["session_name"] == "hi"
    assert (await guarded.get("/sessions/anns", headers=BOB)).json()["session_name"] == "Mine"


async def test_a_tokens_session_goes_before_the_requests(guarded):
    pinned = bearer("ann", session_id="pinned")
    shown = await run(guarded, "elsewhere", headers=pinned)
    assert shown["session_id"] == "pinned"
    assert (await guarded.get(f"{RUNS}?session_id=anns", headers=pinned)).json()[0]["run_id"] == shown[
        "run_id"
    ]
    assert (await guarded.get(f"{RUNS}/{shown['run_id']}?session_id=x", headers=pinned)).status_code == 200
    anns = (await guarded.get("/sessions/anns/runs", headers=ANN)).json()[0]["run_id"]
    assert (await guarded.get(f"{RUNS}/{anns}", headers=pinned)).status_code == 404
    assert (await guarded.get(f"{RUNS}/{anns}", headers=ANN)).status_code == 200
    made = await guarded.post(
        "/sessions", json={"session_id": "x"}, headers=bearer("ann", session_id="other")
    )
    assert made.json()["session_id"] == "other"


async def test_without_isolation_a_token_sees_everyones(app):
    async with serving(secured(app, user_isolation=False)) as client:
        assert (await run(client, "anns", headers=ANN, user_id="bob"))["user_id"] == "ann"
        assert (await client.get("/sessions/anns", headers=BOB)).status_code == 200
        assert (await client.get("/sessions/anns?user_id=bob", headers=BOB)).status_code == 404
        assert (await run(client, "anns", headers=BOB))["user_id"] == "ann"


async def test_a_scope_may_open_everyones_rows_for_reading(app):
    auditor = bearer("eve", "sessions:read", "sessions:write", "audit:read")
    async with serving(secured(app, all_users_scope="audit:read")) as client:
        await run(client, "anns", headers=ANN)
        assert (await client.get("/sessions/anns", headers=auditor)).status_code == 200
        renamed = await client.post("/sessions/anns/rename", json={"session_name": "x"}, headers=auditor)
        assert renamed.status_code == 404


async def test_a_stream_of_ann_is_in_her_session(guarded):
    streamed = await guarded.post(RUNS, data={"message": "hi", "session_id": "anns"}, headers=ANN)
    assert {frame.data["session_id"] for frame in frames(streamed.text)} == {"anns"}
