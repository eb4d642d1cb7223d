"""Runs over a real socket, from the first frame to the stored row."""

from collections.abc import Iterator
from itertools import groupby

import httpx
import pytest

from tests.conftest import a_database
from tests.fakes.openai_payloads import Call
from tests.fakes.openai_script import Reply, Request, answer, json_reply
from tests.fakes.openai_server import FakeOpenAI
from tests.flows.calculator import RUNS, Served, calculator, frames, run, stored


@pytest.fixture(scope="module")
def server(server_url: str, template: str) -> Iterator[Served]:
    with a_database(server_url, template) as database, calculator(database) as served:
        yield served


@pytest.fixture
async def client(server: Served):
    async with server.client() as client:
        yield client


async def test_a_streamed_run_with_a_tool_call_shows_the_peers_events_in_order(
    server: Served, client: httpx.AsyncClient
):
    async with FakeOpenAI(port=server.model_port):
        shown = await run(client, 'use the tool add with {"a": 2, "b": 3}')
    assert [frame.id for frame in shown] == list(range(1, len(shown) + 1))
    assert all(frame.event == frame.data["event"] for frame in shown)
    assert [name for name, _ in groupby(frame.event for frame in shown)] == [
        "RunStarted",
        "ModelRequestStarted",
        "ModelRequestCompleted",
        "ToolCallStarted",
        "ToolCallCompleted",
        "ModelRequestStarted",
        "RunContent",
        "ModelRequestCompleted",
        "RunContentCompleted",
        "RunCompleted",
    ]
    completed = next(frame.data for frame in shown if frame.event == "ToolCallCompleted")
    assert (completed["tool"]["tool_args"], completed["tool"]["result"]) == ({"a": 2, "b": 3}, "5")
    answer = "".join(frame.data["content"] for frame in shown if frame.event == "RunContent")
    assert answer == shown[-1].data["content"]


async def test_what_was_streamed_is_what_is_stored(server: Served, client: httpx.AsyncClient):
    async with FakeOpenAI(port=server.model_port):
        *_, last = await run(client, 'use the tool add with {"a": 2, "b": 3}')
    row = await stored(client, last.data["run_id"])
    assert (row["status"], row["content"]) == ("COMPLETED", last.data["content"])
    assert [message["role"] for message in row["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert row["input"]["input_content"].startswith("use the tool add")


async def test_hanging_up_ends_nothing(server: Served, client: httpx.AsyncClient):
    async with FakeOpenAI(port=server.model_port, delay=0.05):
        async with client.stream("POST", RUNS, json={"message": "hello"}) as response:
            async for frame in frames(response):
                if frame.event == "RunContent":
                    break
        assert frame.data["content"] != ""
        # Reading on where the connection was lost ends when the run does.
        events = f"{RUNS}/{frame.data['run_id']}/events"
        async with client.stream("GET", events, headers={"Last-Event-ID": str(frame.id)}) as response:
            rest = [frame async for frame in frames(response)]
    assert [later.id for later in rest] == list(range(frame.id + 1, rest[-1].id + 1))
    row = await stored(client, frame.data["run_id"])
    assert (row["status"], row["content"]) == ("COMPLETED", rest[-1].data["content"])


def reply(text: str | None, *calls: Call):
    """Answers with `calls` first, and with `text` once they are answered."""

    def respond(request: Request) -> Reply:
        is_answered = request.body["messages"][-1]["role"] == "tool"
        return answer(True, bool(request.body.get("stream")), text, () if is_answered else calls, False)

    return respond


@pytest.mark.parametrize(
    "call",
    [
        Call("c1", "add", '{"a": 2, "b":'),
        Call("c1", "add", "[2, 3]"),
        Call("c1", "add", '{"a": "two", "c": 3}'),
        Call("c1", "subtract", '{"a": 2, "b": 3}'),
    ],
    ids=["broken JSON", "no object", "wrong arguments", "unknown tool"],
)
async def test_a_call_that_makes_no_sense_is_answered_and_the_run_goes_on(
    server: Served, client: httpx.AsyncClient, call: Call
):
    async with FakeOpenAI(reply("Sorry.", call), port=server.model_port) as model:
        *_, last = await run(client, "hello")
        told = model.requests[-1].body["messages"][-1]
    assert (told["role"], told["tool_call_id"]) == ("tool", "c1")
    row = await stored(client, last.data["run_id"])
    assert (row["status"], row["content"]) == ("COMPLETED", "Sorry.")
    assert row["tools"][0]["tool_call_error"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "nonsense",
    [{}, {"id": "x", "object": "chat.completion", "created": 1, "model": "fake", "choices": []}, [], "no"],
    ids=["empty object", "empty choices", "list", "text"],
)
async def test_an_answer_that_makes_no_sense_fails_the_run_which_is_stored(
    server: Served, client: httpx.AsyncClient, nonsense: object, stream: bool
):
    async with FakeOpenAI(lambda _: json_reply(nonsense), port=server.model_port):
        if stream:
            *_, last = await run(client, "hello")
            assert last.event == "RunError"
            shown, run_id = last.data, last.data["run_id"]
        else:
            answer = await client.post(RUNS, json={"message": "hello", "stream": False})
            assert answer.status_code == 200
            shown, run_id = answer.json(), answer.json()["run_id"]
    row = await stored(client, run_id)
    assert (row["status"], row["content"]) == ("ERROR", shown["content"])
    assert "hello" not in shown["content"]


async def test_a_model_that_is_away_fails_the_run_and_a_later_run_succeeds(
    server: Served, client: httpx.AsyncClient
):
    *_, failed = await run(client, "hello")
    async with FakeOpenAI(port=server.model_port):
        *_, succeeded = await run(client, "hello")
    assert (failed.event, succeeded.event) == ("RunError", "RunCompleted")
    assert failed.data["error_type"] == "model_unavailable"
    assert (await stored(client, failed.data["run_id"]))["status"] == "ERROR"
