"""Ids of sessions that several users have, and pages of a session's runs."""

import pytest

from agentos.os import AgentOS
from tests.os.api.test_os_sessions import ANN, BOB, ROOT, RUNS, run
from tests.os.apps import agent, secured, serving


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


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/sessions/anns", None),
        ("GET", "/sessions/anns/runs", None),
        ("PATCH", "/sessions/anns", {"session_name": "x"}),
        ("POST", "/sessions/anns/rename", {"session_name": "x"}),
        ("DELETE", "/sessions/anns", None),
        ("DELETE", "/sessions", {"session_ids": ["anns"], "session_types": ["agent"]}),
        ("POST", "/agents/web/sessions/anns/fork", None),
        ("POST", RUNS, {"message": "hi", "session_id": "anns", "stream": False}),
        ("GET", f"{RUNS}?session_id=anns", None),
    ],
)
async def test_who_sees_everyones_sessions_says_whose(guarded, method, url, body):
    await run(guarded, "anns", headers=BOB)
    unclear = await guarded.request(method, url, json=body, headers=ROOT)
    assert (unclear.status_code, unclear.json()["code"]) == (409, "ambiguous_session")
    assert "user_id=" in unclear.json()["detail"]
    for user in (ANN, BOB):
        assert len((await guarded.get("/sessions/anns/runs", headers=user)).json()) == 1
    if url == RUNS:
        clear = await guarded.post(url, json={**body, "user_id": "bob"}, headers=ROOT)
    else:
        named = f"{url}{'&' if '?' in url else '?'}user_id=bob"
        clear = await guarded.request(method, named, json=body, headers=ROOT)
    assert clear.status_code in {200, 204}, clear.text
    assert len((await guarded.get("/sessions/anns/runs", headers=ANN)).json()) == 1


async def test_runs_come_in_pages_the_newest_first(client):
    ids = [(await run(client, "s"))["run_id"] for _ in range(5)]
    for url in (
        "/sessions/s/runs?limit=2",
        "/sessions/s/run-previews?limit=2",
        f"{RUNS}?session_id=s&limit=2",
    ):
        pages, following = [], url
        while following:
            answer = await client.get(following)
            pages.append([each["run_id"] for each in answer.json()])
            following = answer.links.get("next", {}).get("url")
            assert len(pages) < 5
        assert pages == [ids[3:], ids[1:3], ids[:1]]
    assert "link" not in (await client.get("/sessions/s/runs")).headers
    for bad in ("limit=0", "limit=101", f"cursor={'x' * 300}"):
        assert (await client.get(f"/sessions/s/runs?{bad}")).status_code == 422
    narrowed = await client.get("/sessions/s/runs?limit=1&status=COMPLETED&nested=true")
    assert {"status=COMPLETED", "nested=true"} <= set(narrowed.links["next"]["url"].split("?")[1].split("&"))


async def test_a_cursor_of_anothers_run_shows_nothing_of_theirs(guarded):
    bobs = await run(guarded, "bobs", headers=BOB)
    for cursor in (bobs["run_id"], "absent", "\0"):
        shown = await guarded.get("/sessions/anns/runs", params={"cursor": cursor}, headers=ANN)
        assert shown.status_code in {200, 422}
        assert bobs["run_id"] not in shown.text
