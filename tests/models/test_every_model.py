"""One suite that every model passes, streamed and not."""

import asyncio
import json

import pytest
from pydantic import BaseModel

from agentos.models.base import ModelDelta, ModelRequest, ModelResponse, ResponseFormat
from agentos.models.function import FunctionModel
from agentos.models.offline import OfflineModel
from agentos.models.openai import OpenAIChat, OpenAIResponses
from agentos.run.messages import FunctionCall, Message, Metrics, ToolCall
from tests.models.requests import ADD, ECHO, answer, ask, asking, user


class City(BaseModel):
    name: str
    population: int


def by_hand(request: ModelRequest) -> ModelResponse | str | list[str]:
    """What a test's author may write instead of a model."""
    metrics = Metrics(input_tokens=3, output_tokens=4, total_tokens=7)
    if request.response_format:
        return ModelResponse(content='{"name": "Paris", "population": 1}', metrics=metrics)
    if request.tools and request.messages[-1].role == "user":
        calls = [("1", "add", '{"a": 1, "b": 2}'), ("2", "echo", '{"text": "hi"}')]
        return ModelResponse(
            tool_calls=[
                ToolCall(id=call_id, function=FunctionCall(name=name, arguments=arguments))
                for call_id, name, arguments in calls
            ],
            metrics=metrics,
        )
    return ModelResponse(content="Hello there.", metrics=metrics)


@pytest.fixture(params=["offline", "function", "chat", "responses"])
async def model(request, make):
    match request.param:
        case "offline":
            return OfflineModel()
        case "function":
            return FunctionModel(by_hand)
        case "chat":
            return make(OpenAIChat)
        case "responses":
            return make(OpenAIResponses)


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request) -> bool:
    return request.param


CALL_BOTH = 'use the tool add with {"a": 1, "b": 2} and use the tool echo with {"text": "hi"}'


def test_a_model_says_who_it_is(model):
    assert model.id
    assert model.name == type(model).__name__
    assert model.provider


async def test_pieces_join_to_the_answer(model, stream):
    deltas, response = await ask(model, "hello", stream=stream)
    assert response.content
    assert not response.tool_calls
    assert "".join(delta.content for delta in deltas) == (response.content if stream else "")


async def test_calls_of_one_turn_come_together_and_whole(model, stream):
    deltas, response = await ask(model, CALL_BOTH, tools=[ADD, ECHO], stream=stream)
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in response.tool_calls]
    assert calls == [("add", {"a": 1, "b": 2}), ("echo", {"text": "hi"})]
    assert len({call.id for call in response.tool_calls}) == 2
    assert response.content is None
    assert deltas == []


async def test_a_tools_answer_leads_to_text(model, stream):
    asked = user(CALL_BOTH)
    first = await answer(model, asked, tools=[ADD, ECHO], stream=stream)
    assistant = Message(
        role="assistant", tool_calls=list(first.tool_calls), provider_data=first.provider_data
    )
    results = [
        Message(role="tool", tool_call_id=call.id, tool_name=call.function.name, content="3")
        for call in first.tool_calls
    ]
    response = await answer(model, asked, assistant, *results, tools=[ADD, ECHO], stream=stream)
    assert response.content
    assert not response.tool_calls


async def test_an_answer_fits_the_schema_asked_for(model, stream):
    wanted = ResponseFormat("City", City.model_json_schema())
    response = await answer(model, "Describe Paris.", response_format=wanted, stream=stream)
    City.model_validate_json(response.content)


async def test_tokens_and_seconds_are_counted(model, stream):
    metrics = (await answer(model, "hello", stream=stream)).metrics
    assert metrics.input_tokens > 0
    assert metrics.output_tokens > 0
    assert metrics.total_tokens == metrics.input_tokens + metrics.output_tokens
    assert metrics.duration > 0
    if stream:
        assert 0 < metrics.time_to_first_token <= metrics.duration
    else:
        assert metrics.time_to_first_token is None


async def test_odd_text_does_not_break_a_turn(model, stream):
    odd = "nul \x00, half a pair \ud800, bidi \u202e, emoji 🙂"
    assert (await answer(model, odd, stream=stream)).content


async def test_a_turn_may_be_left_early_and_the_next_one_works(model):
    turn = model.respond(asking("hello"))
    assert isinstance(await anext(turn), ModelDelta)
    await turn.aclose()
    assert (await answer(model, "hello")).content


async def test_turns_run_side_by_side(model, stream):
    responses = await asyncio.gather(*(answer(model, "hello", stream=stream) for _ in range(5)))
    assert len({response.content for response in responses}) == 1


async def test_a_closed_model_opens_again(model, stream):
    await answer(model, "hello", stream=stream)
    await model.aclose()
    await model.aclose()
    assert (await answer(model, "hello", stream=stream)).content
