"""Memories over HTTP: what routes answer, and whose memories they touch."""

import pytest

from agentos.os import AgentOS
from tests.os.apps import ADMIN, agent, bearer, secured, serving

ANN, BOB, ROOT = bearer("ann"), bearer("bob"), bearer("root", ADMIN)


@pytest.fixture
def app(db):
    return AgentOS(agents=[agent()], db=db).get_app()


@pytest.fixture
async def client(app):
    async with serving(app) as client:
        yield client


@pytest.fixture
async def guarded(app):
    async with serving(secured(app)) as client:
        yield client


async def remember(client, memory, headers=None, **fields):
    made = await client.post("/memories", json={"memory": memory, **fields}, headers=headers)
    assert made.status_code == 200, made.text
    return made.json()


async def test_a_memory_is_made_read_changed_and_forgotten(client):
    made = await remember(client, "likes tea", user_id="ann", topics=["drinks"])
    assert made.items() >= {"memory": "likes tea", "topics": ["drinks"], "user_id": "ann"}.items()
    assert (made["agent_id"], made["updated_at"][-1]) == (None, "Z")
    url = f"/memories/{made['memory_id']}"
    assert (await client.get(url)).json() == made
    changed = (await client.patch(url, json={"memory": "likes coffee", "user_id": "ann"})).json()
    assert (changed["memory"], changed["topics"], changed["user_id"]) == ("likes coffee", ["drinks"], "ann")
    assert (await client.patch(url, json={"memory": "x", "topics": ["new"]})).json()["topics"] == ["new"]
    assert (await client.delete(url)).status_code == 204
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404


async def test_an_unknown_memory_cant_be_changed_into_being(client):
    refused = await client.patch("/memories/x", json={"memory": "x"})
    assert (refused.status_code, refused.json()["detail"]) == (404, "Memory with id 'x' not found")
    assert (await client.get("/memories")).json()["data"] == []


async def test_a_memory_needs_a_user(client):
    refused = await client.post("/memories", json={"memory": "x"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "User ID is required")
    assert (await remember(client, "x", user_id="ann"))["user_id"] == "ann"


async def test_lists_are_searched_narrowed_sorted_and_paged(client):
    await remember(client, "likes tea", user_id="ann", topics=["drinks", "mornings"])
    await remember(client, "Rides a bike", user_id="ann", topics=["mornings"])
    await remember(client, "has a cat", user_id="bob")

    async def texts(query):
        page = (await client.get(f"/memories?{query}")).json()
        assert page["meta"]["total_count"] >= len(page["data"])
        return [row["memory"] for row in page["data"]]

    assert await texts("") == ["has a cat", "Rides a bike", "likes tea"]
    assert await texts("sort_by=memory&sort_order=asc&limit=2&page=2") == ["Rides a bike"]
    assert await texts("user_id=bob") == ["has a cat"]
    assert await texts("search_content=BIKE") == ["Rides a bike"]
    assert await texts("topics=mornings") == ["Rides a bike", "likes tea"]
    assert await texts("topics=mornings,drinks") == ["likes tea"]
    assert await texts("topics=mornings&topics=drinks") == ["likes tea"]
    assert await texts("agent_id=web") == []
    topics = (await client.get("/memory_topics")).json()
    assert topics == ["drinks", "mornings"]
    stats = (await client.get("/user_memory_stats")).json()
    assert [(row["user_id"], row["total_memories"]) for row in stats["data"]] == [("bob", 1), ("ann", 2)]
    assert stats["data"][0]["last_memory_updated_at"].endswith("Z")
    assert (await client.get("/user_memory_stats?user_id=ann")).json()["meta"]["total_count"] == 1


async def test_many_are_forgotten_at_once(client):
    ids = [(await remember(client, text, user_id="ann"))["memory_id"] for text in "abc"]
    body = {"memory_ids": [*ids[:2], "nobody"]}
    assert (await client.request("DELETE", "/memories", json=body)).status_code == 204
    assert [row["memory"] for row in (await client.get("/memories")).json()["data"]] == ["c"]


async def test_a_token_remembers_about_its_user(guarded):
    for headers, requested, user_id in [(ANN, None, "ann"), (ANN, "bob", "ann"), (ROOT, "bob", "bob")]:
        assert (await remember(guarded, "x", headers=headers, user_id=requested))["user_id"] == user_id
    assert (await guarded.post("/memories", json={"memory": "x"}, headers=bearer(None))).status_code == 403


async def test_a_memory_is_its_users_and_administrators(guarded):
    memory_id = (await remember(guarded, "secret", headers=ANN, topics=["anns"]))["memory_id"]
    url, ids = f"/memories/{memory_id}", {"memory_ids": [memory_id]}
    for headers in (BOB, bearer("bob"), bearer("ann ")):
        assert (await guarded.get(url, headers=headers)).status_code == 404
        assert (await guarded.get(f"{url}?user_id=ann", headers=headers)).status_code == 404
        patch = {"memory": "mine", "user_id": "ann"}
        assert (await guarded.patch(url, json=patch, headers=headers)).status_code == 404
        assert (await guarded.delete(f"{url}?user_id=ann", headers=headers)).status_code == 204
        body = {**ids, "user_id": "ann"}
        assert (await guarded.request("DELETE", "/memories", json=body, headers=headers)).status_code == 204
        assert (await guarded.get("/memories?user_id=ann", headers=headers)).json()["data"] == []
        assert (await guarded.get("/memory_topics?user_id=ann", headers=headers)).json() == []
        stats = await guarded.get("/user_memory_stats?user_id=ann", headers=headers)
        assert stats.json()["meta"]["total_count"] == 0
    for headers in (ANN, ROOT):
        assert (await guarded.get(url, headers=headers)).json()["memory"] == "secret"
        assert len((await guarded.get("/memories", headers=headers)).json()["data"]) == 1
        assert (await guarded.get("/memory_topics", headers=headers)).json() == ["anns"]
        stats = await guarded.get("/user_memory_stats", headers=headers)
        assert [row["user_id"] for row in stats.json()["data"]] == ["ann"]
    assert (await guarded.get("/memories?user_id=bob", headers=ROOT)).json()["data"] == []
    assert (await guarded.patch(url, json={"memory": "new"}, headers=ROOT)).json()["user_id"] == "ann"
    assert (await guarded.request("DELETE", "/memories", json=ids, headers=ANN)).status_code == 204
    assert (await guarded.get(url, headers=ANN)).status_code == 404


async def test_each_scope_opens_its_own_routes(guarded):
    for scope, allowed in [
        ("memories:read", "GET"),
        ("memories:write", "POST"),
        ("memories:delete", "DELETE"),
    ]:
        for method, status in [("GET", 200), ("POST", 200), ("DELETE", 204)]:
            body = {"GET": None, "POST": {"memory": "x"}, "DELETE": {"memory_ids": ["x"]}}[method]
            headers = bearer("ann", scope)
            answered = await guarded.request(method, "/memories", json=body, headers=headers)
            assert answered.status_code == (status if method == allowed else 403)
