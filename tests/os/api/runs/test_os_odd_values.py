"""Values that JSON can't represent, in the state of a session: shown and stored alike."""

import pytest

from agentos.os import AgentOS
from agentos.run.text import MAX_DEPTH, json_of
from tests.os.apps import agent, calls_once, frames, serving

RUNS = "/agents/web/runs"


class Odd:
    def __str__(self):
        return "odd"


class Silent:
    def __str__(self):
        raise RuntimeError("not even that")


def cycle():
    value = {"name": "loop"}
    value["self"] = value
    return value


def deep(levels):
    value = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def cut():
    """What is kept of a value below the state's own level."""
    value = "\ufffd"
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    return value


ODD = {
    "object": (Odd(), "odd"),
    "object without a text": (Silent(), "<Silent>"),
    "bytes": (b"ab\xff", "YWL/"),
    "exception": (ValueError("it failed"), "it failed"),
    "cycle": (cycle(), {"name": "loop", "self": "\ufffd"}),
    "half a pair in a key": ({"a\ud83d": 1}, {"a\ufffd": 1}),
    "half a pair in a text": (["a\ud83d"], ["a\ufffd"]),
    "too deep": (deep(300), cut()),
    "deep, but not for pydantic": (deep(240), cut()),
    "NaN": (float("nan"), None),
    "other keys": ({(1, 2): 3, None: 4}, {"1,2": 3, "None": 4}),
    "long integer": (10**5000, "\ufffd"),
}


@pytest.fixture(params=["plain", "durable", "background", "no database"])
def served(request, db):
    def of(value):
        def keep(session_state):
            session_state["odd"] = value
            session_state["when\ud83d"] = "now"

        stored = None if request.param == "no database" else db
        durable = request.param == "durable"
        app = AgentOS(agents=[agent(calls_once("keep"), tools=[keep], durable=durable)], db=stored).get_app()
        return serving(app), {"background": True} if request.param == "background" else {}, stored

    return of


@pytest.mark.parametrize(("value", "kept"), ODD.values(), ids=ODD)
async def test_a_state_is_shown_as_it_is_stored(served, value, kept):
    app, fields, db = served(value)
    state = {"odd": kept, "when\ufffd": "now"}
    async with app as client:
        stream = await client.post(RUNS, json={"message": "hi", "session_id": "s1"})
        assert frames(stream.text)[-1].event == "RunCompleted", stream.text
        if db is None:
            answer = await client.post(RUNS, json={"message": "hi", "stream": False})
            assert answer.json()["session_state"] == frames(stream.text)[-1].data["session_state"]
            return
        assert frames(stream.text)[-1].data["session_state"] == state
        answer = await client.post(
            RUNS, json={"message": "hi", "session_id": "s2", "stream": False, **fields}
        )
        if fields:
            await client.get(f"{RUNS}/{answer.json()['run_id']}/events")
        else:
            assert answer.status_code == 200, answer.text
            assert (answer.json()["status"], answer.json()["session_state"]) == ("COMPLETED", state)
        for session in ("s1", "s2"):
            shown = (await client.get(f"/sessions/{session}")).json()
            (run,) = (await client.get(f"/sessions/{session}/runs")).json()
            assert shown["session_state"] == run["session_state"] == state
        again = await client.post(RUNS, json={"message": "hi", "session_id": "s1", "stream": False})
        assert again.json()["session_state"] == state


@pytest.mark.parametrize(("value", "kept"), ODD.values(), ids=ODD)
async def test_a_prompt_shows_the_state_as_it_would_be_stored(value, kept):
    seen = []

    def answer(request):
        seen.append(request.messages[0].content)
        return "ok"

    one = agent(answer, add_session_state_to_context=True)
    await one.arun("hi", session_state={"odd": value})
    shown = seen[0].removeprefix("<session_state>\n").removesuffix("\n</session_state>")
    assert shown == json_of({"odd": value})
