import asyncio

import pytest

from agentos.models.base import ModelDelta, ModelResponse
from agentos.models.function import FunctionModel
from tests.models.requests import answer, ask, asking


async def awaited(_):
    await asyncio.sleep(0)
    return "one two"


def pieces(_):
    yield "one "
    yield ModelDelta("two")


async def async_pieces(_):
    yield "one "
    yield ModelDelta("two")


@pytest.mark.parametrize(
    "function",
    [
        lambda _: "one two",
        lambda _: ModelResponse(content="one two"),
        lambda _: ["one ", "two"],
        lambda _: ["one ", "two", ModelResponse(content="one two")],
        lambda _: [ModelResponse(content="one two"), "never"],
        awaited,
        pieces,
        async_pieces,
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_function_may_answer_in_many_ways(function, stream):
    deltas, response = await ask(FunctionModel(function), "hello", stream=stream)
    assert response.content == "one two"
    assert "".join(delta.content for delta in deltas) == ("one two" if stream else "")


async def test_the_function_sees_the_request():
    model = FunctionModel(lambda request: request.messages[-1].content.upper())
    assert (await answer(model, "hello")).content == "HELLO"


async def test_what_the_function_raises_is_raised():
    def fail(_):
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        await answer(FunctionModel(fail), "hello")


async def test_reasoning_is_shown():
    model = FunctionModel(lambda _: [ModelDelta(reasoning_content="hm"), "yes"])
    deltas, response = await ask(model, "hello")
    assert [(delta.reasoning_content, delta.content) for delta in deltas] == [("hm", ""), ("", "yes")]
    assert (response.reasoning_content, response.content) == ("hm", "yes")


async def test_leaving_early_closes_the_functions_generator():
    closed = asyncio.Event()

    async def endless(_):
        try:
            while True:
                yield "more "
        finally:
            closed.set()

    turn = FunctionModel(endless).respond(asking("hello"))
    assert await anext(turn) == ModelDelta("more ")
    await turn.aclose()
    assert closed.is_set()


def test_it_may_have_any_name():
    model = FunctionModel(pieces, "gpt-9", name="Mine", provider="me")
    assert (model.id, model.name, model.provider) == ("gpt-9", "Mine", "me")
