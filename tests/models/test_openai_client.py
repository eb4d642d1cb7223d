"""The official client: loaded late, one per event loop, closed when done."""

import asyncio
import subprocess
import sys

import pytest

from agentos.models.base import ModelDelta
from agentos.models.openai import OpenAIChat
from tests.models.requests import answer, asking


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_sdk_is_not_imported_before_it_is_needed():
    code = """
import sys
from agentos.models.catalog import resolve
from agentos.models.openai import OpenAIChat, OpenAIResponses
OpenAIChat(id="a"), OpenAIResponses(id="b", api_key="c"), resolve("openai:gpt-5.2")
print([name for name in ("openai", "httpx", "httpx2", "anyio") if name in sys.modules])
"""
    assert run_python(code) == "[]"


def test_the_sdk_is_imported_by_the_first_request():
    code = """
import asyncio, sys
from agentos.errors import ModelError
from agentos.models.base import ModelRequest
from agentos.models.openai import OpenAIChat
from agentos.run.messages import Message
model = OpenAIChat(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0)
async def main():
    try:
        async for _ in model.respond(ModelRequest([Message(role="user", content="hi")])):
            pass
    except ModelError as error:
        print(error.code, "openai" in sys.modules)
asyncio.run(main())
"""
    assert run_python(code) == "model_unavailable True"


async def test_turns_of_one_loop_share_a_connection(openai_model, server):
    for stream in (True, False, True):
        await answer(openai_model, "hello", stream=stream)
    assert {request.connection for request in server.requests} == {1}


async def test_every_loop_has_a_client_of_its_own(openai_model, server):
    async def turn() -> str:
        said = (await answer(openai_model, "hello")).content
        await openai_model.aclose()
        return said

    here = (await answer(openai_model, "hello")).content
    for _ in range(2):
        # A loop of its own in a thread of its own, gone before the next.
        assert await asyncio.to_thread(asyncio.run, turn()) == here
    assert (await answer(openai_model, "hello")).content == here
    assert [request.connection for request in server.requests] == [1, 2, 3, 1]


async def test_leaving_early_closes_the_connection(openai_model, server):
    turn = openai_model.respond(asking("hang"))
    assert isinstance(await anext(turn), ModelDelta)
    await turn.aclose()
    await server.all_closed()


async def test_pieces_come_while_the_provider_still_speaks(openai_model, server):
    turn = openai_model.respond(asking("hang"))
    pieces = [await anext(turn) for _ in range(3)]
    assert "".join(piece.content for piece in pieces).startswith("word1 word2")
    await turn.aclose()


async def test_closing_a_model_closes_its_connections(openai_model, server):
    await answer(openai_model, "hello")
    await openai_model.aclose()
    await server.all_closed()


@pytest.mark.parametrize("count", [20])
async def test_many_turns_at_once(openai_model, server, count):
    said = await asyncio.gather(*(answer(openai_model, f"say {n}") for n in range(count)))
    assert [response.content for response in said] == [str(n) for n in range(count)]


async def test_a_model_without_a_key_can_be_made(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert OpenAIChat(id="gpt-4o").id == "gpt-4o"
