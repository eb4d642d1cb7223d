"""Going back in a conversation: another answer, an edited question, a fork, a copy of the whole."""

import asyncio

import pytest

from agentos.os import AgentOS
from tests.os.apps import ADMIN, Gated, agent, bearer, frames, secured, serving

RUNS = "/agents/web/runs"


def counting():
    """A model that tells what it was asked, and the how many-th answer it is."""
    count = 0

    def answer(request):
        nonlocal count
        count += 1
        said = "|".join(each.content for each in request.messages if each.role == "user")
        return f"{count}: {said}"

    return answer


@pytest.fixture
def app(db):
    agents = [agent(counting(), db=db, add_history_to_context=True), agent(called="other", db=db)]
    return AgentOS(agents=agents).get_app()


@pytest.fixture
async def client(app):
    async with serving(app) as client:
        yield client


async def asked(client, message="why?", headers=None, **fields):
    body = {"message": message, "stream": False, "session_id": "s1", **fields}
    answer = await client.post(RUNS, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def branch(client, run, headers=None, **fields):
    url = f"{RUNS}/{run['run_id']}/continue"
    return await client.post(url, json={"stream": False, **fields}, headers=headers)


async def session(client, session_id="s1"):
    runs = (await client.get(f"/sessions/{session_id}/runs")).json()
    return [(run["status"], run["content"]) for run in runs]


@pytest.mark.parametrize(
    ("replace", "old"), [(None, "REGENERATED"), (True, "REGENERATED"), (False, "COMPLETED")]
)
async def test_another_answer_takes_the_place_of_the_first(client, replace, old):
    await asked(client, "first")
    run = await asked(client)
    fields = {} if replace is None else {"replace_original": replace}
    new = (await branch(client, run, regenerate=True, **fields)).json()
    assert (new["content"], new["regenerated_from"]) == ("3: first|why?", run["run_id"])
    assert new["run_id"] != run["run_id"]
    assert await session(client) == [
        ("COMPLETED", "1: first"),
        (old, "2: first|why?"),
        ("COMPLETED", "3: first|why?"),
    ]


async def test_another_answer_heeds_what_is_added(client):
    run = await asked(client)
    new = (await branch(client, run, regenerate=True, additional_instructions="in verse")).json()
    assert new["content"].startswith("2: why?|")
    assert new["content"].endswith("in verse")
    assert new["input"]["input_content"] == "why?"


async def test_the_last_message_is_edited_and_run_again(client):
    run = await asked(client)
    new = (await branch(client, run, input="how?", continue_from="last_user")).json()
    assert (new["content"], new["forked_from_run_id"]) == ("2: how?", run["run_id"])
    assert (await client.get(f"{RUNS}/{run['run_id']}")).json() == run


async def test_a_run_that_is_over_goes_on_with_another_message(client):
    run = await asked(client)
    streamed = await client.post(f"{RUNS}/{run['run_id']}/continue", data={"input": "and then?"})
    shown = frames(streamed.text)
    assert shown[0].id == 1
    assert shown[-1].data["content"] == "2: why?|and then?"
    new = (await client.get(f"{RUNS}/{shown[0].data['run_id']}")).json()
    assert new["forked_from_run_id"] == run["run_id"]
    assert not {each["id"] for each in new["messages"]} & {each["id"] for each in run["messages"]}
    assert new["session_id"] == "s1"
    assert (await client.get(f"{RUNS}/{run['run_id']}")).json() == run


async def test_a_branch_may_execute_in_the_background(client):
    run = await asked(client)
    told = await branch(client, run, regenerate=True, background=True)
    assert (told.status_code, told.json()["status"]) == (202, "PENDING")
    followed = await client.get(f"{RUNS}/{told.json()['run_id']}/events")
    assert frames(followed.text)[-1].data["content"] == "2: why?"


@pytest.mark.parametrize(
    "fields",
    [
        {"fork": True, "regenerate": True},
        {"fork": True},
        {"continue_from": "9", "input": "x"},
        {"continue_from": "somewhere"},
        {"regenerate": True, "input": "x"},
    ],
)
async def test_what_makes_no_sense_is_refused(client, fields):
    run = await asked(client)
    assert (await branch(client, run, **fields)).status_code == 422
    assert len(await session(client)) == 1


async def test_a_run_that_is_over_doesnt_go_on_by_itself(client):
    run = await asked(client)
    refused = await branch(client, run)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_a_live_run_isnt_branched(db):
    gated = Gated()
    async with serving(AgentOS(agents=[agent(gated.answer, db=db)]).get_app()) as client:
        call = asyncio.create_task(asked(client))
        await gated.waits.wait()
        (run,) = (await client.get(f"{RUNS}?session_id=s1")).json()
        assert (await branch(client, run, regenerate=True)).status_code == 409
        gated.gate.set()
        await call
        assert (await branch(client, run, regenerate=True)).status_code == 200


async def test_an_answer_is_replaced_once(db):
    gated = Gated()
    gated.gate.set()
    async with serving(AgentOS(agents=[agent(gated.answer, db=db)]).get_app()) as client:
        run = await asked(client)
        gated.gate.clear()
        calls = [asyncio.create_task(branch(client, run, regenerate=True)) for _ in range(4)]
        answers = asyncio.as_completed(calls)
        assert [(await next(answers)).status_code for _ in range(3)] == [409] * 3
        gated.gate.set()
        new = (await next(answers)).json()
        assert [status for status, _ in await session(client)] == ["REGENERATED", "COMPLETED"]
        late = await branch(client, run, regenerate=True)
        assert (late.status_code, late.json()["code"]) == (409, "conflict")
        assert (await branch(client, run, regenerate=True, replace_original=False)).status_code == 200
        assert (await branch(client, new, regenerate=True)).status_code == 200


async def test_a_run_shows_the_places_to_go_on_from(client):
    run = await asked(client)
    url = f"{RUNS}/{run['run_id']}/checkpoints"
    listed = (await client.get(url, params={"session_id": "s1"})).json()
    assert [
        (each["message_index"], each["message_role"], each["reason"]) for each in listed["checkpoints"]
    ] == [
        (1, "user", "checkpoint"),
        (2, "assistant", "end"),
    ]
    assert [each["is_latest"] for each in listed["checkpoints"]] == [False, True]
    first = (await client.get(f"{url}/1")).json()
    assert first["checkpoint"] == {**listed["checkpoints"][0], "reason": "snapshot"}
    assert [each["role"] for each in first["snapshot"]["messages"]] == ["user"]
    assert "content" not in first["snapshot"]
    assert (await client.get(f"{url}/2")).json()["snapshot"] == run
    beyond = await client.get(f"{url}/3")
    assert (beyond.status_code, beyond.json()["detail"]) == (400, "message_index must be between 0 and 2")


async def test_a_session_is_copied_through_a_run(client):
    first, _ = await asked(client, "first"), await asked(client, "second")
    url = "/agents/web/sessions/s1/fork"
    whole, part = (
        (await client.post(url)).json(),
        (await client.post(url, params={"run_id": first["run_id"]})).json(),
    )
    assert whole["forked_from_session_id"] == part["forked_from_session_id"] == "s1"
    assert await session(client, whole["session_id"]) == await session(client)
    assert await session(client, part["session_id"]) == (await session(client))[:1]
    gone_on = await asked(client, "third", session_id=part["session_id"])
    assert gone_on["content"] == "3: first|third"
    assert len(await session(client)) == 2


async def test_what_isnt_there_isnt_copied(client):
    await client.post("/sessions", json={"session_id": "empty", "agent_id": "web"})
    await asked(client)
    for url, status in {
        "/agents/web/sessions/absent/fork": 404,
        "/agents/other/sessions/s1/fork": 404,
        "/agents/web/sessions/empty/fork": 409,
        "/agents/web/sessions/s1/fork?run_id=absent": 409,
        "/agents/web/sessions/s1/fork": 200,
    }.items():
        assert (await client.post(url)).status_code == status, url


async def test_only_its_user_and_admins_branch_and_copy(app):
    async with serving(secured(app, all_users_scope="all:read")) as client:
        ann, root = bearer("ann"), bearer("root", ADMIN)
        run = await asked(client, headers=ann)
        checkpoints, fork = f"{RUNS}/{run['run_id']}/checkpoints", "/agents/web/sessions/s1/fork"
        reader = bearer("bob", "agents:run", "all:read")
        for caller in (bearer("bob"), bearer("ann", session_id="s2")):
            assert (await client.get(f"{checkpoints}?user_id=ann", headers=caller)).status_code == 404
            assert (await client.get(f"{checkpoints}/1", headers=caller)).status_code == 404
        for caller in (bearer("bob"), reader, bearer("ann", session_id="s2")):
            assert (await branch(client, run, caller, regenerate=True, user_id="ann")).status_code == 404
            assert (await client.post(f"{fork}?user_id=ann", headers=caller)).status_code == 404
        pinned = bearer("ann", session_id="s1")
        assert (await client.post(fork, headers=pinned)).json()["code"] == "one_session"
        assert (await branch(client, run, pinned, regenerate=True)).status_code == 200
        for caller in (ann, root):
            assert (await client.get(checkpoints, headers=caller)).status_code == 200
            assert (await branch(client, run, caller, input="x")).json()["user_id"] == "ann"
            copy = (await client.post(fork, headers=caller)).json()["session_id"]
            assert (await client.get(f"/sessions/{copy}", headers=ann)).json()["user_id"] == "ann"
            assert (await client.get(f"/sessions/{copy}", headers=bearer("bob"))).status_code == 404
        assert (await client.post(fork, headers=bearer("ann", "agents:other:run"))).status_code == 403
