"""The same models against a fake that others wrote, as a check on our own."""

import json

import pytest
from llmock.pytest_plugin import LLMock

from agentos.errors import ModelError
from agentos.models.openai import OpenAIChat, OpenAIResponses
from agentos.run.messages import Message
from tests.models.requests import ADD, ECHO, answer, user


@pytest.fixture(params=[OpenAIChat, OpenAIResponses])
async def model(request, llmock: LLMock):
    # Address and key come from the environment, where the fixture put them.
    model = request.param(id="gpt-4o")
    yield model
    await model.aclose()


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request) -> bool:
    return request.param


async def test_text_and_usage(model, llmock, stream):
    llmock.reply("Good day to you.")
    response = await answer(model, "hello", stream=stream)
    assert response.content == "Good day to you."
    assert response.metrics.total_tokens > 0


async def test_a_whole_round_with_a_tool(model, llmock, stream):
    llmock.call_tool("add", {"a": 1, "b": 2})
    asked = user("What is 1 + 2?")
    first = await answer(model, asked, tools=[ADD, ECHO], stream=stream)
    (call,) = first.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"a": 1, "b": 2})
    history = [
        Message(role="assistant", tool_calls=[call], provider_data=first.provider_data),
        Message(role="tool", tool_call_id=call.id, content="3"),
    ]
    assert (await answer(model, asked, *history, tools=[ADD, ECHO], stream=stream)).content


async def test_rate_limits_are_waited_out(model, llmock, stream):
    llmock.rate_limit(times=2, retry_after=0.05)
    assert (await answer(model, "hello", stream=stream)).content
    llmock.assert_resilient()


@pytest.mark.parametrize("fault", ["disconnect", "truncate"])
async def test_a_broken_stream_is_unavailable(model, llmock, fault):
    getattr(llmock, fault)(after_chunks=3)
    with pytest.raises(ModelError) as caught:
        await answer(model, "hello")
    assert caught.value.code == "model_unavailable"


async def test_a_corrupted_chunk_is_a_bad_response(model, llmock):
    llmock.corrupt(after_chunks=3)
    with pytest.raises(ModelError) as caught:
        await answer(model, "hello")
    assert caught.value.code == "model_bad_response"


async def test_malformed_arguments_reach_the_agent(model, llmock, stream):
    llmock.break_tool_call("malformed_arguments")
    response = await answer(model, "What is 1 + 2?", tools=[ADD], stream=stream)
    with pytest.raises(ValueError):
        json.loads(response.tool_calls[0].function.arguments)
