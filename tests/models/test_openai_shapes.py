"""Answers in the shapes of servers that imitate OpenAI's. What can only mean one thing is read as that.

Nothing is guessed: a call without a name stays an error, and arguments that aren't JSON stay as they are.
"""

import pytest

from agentos.agent import Agent
from agentos.errors import ModelError
from agentos.models.openai import OpenAIChat
from agentos.run.messages import FunctionCall, Message, ToolCall
from agentos.run.records import RunStatus
from tests.fakes import openai_payloads as payloads
from tests.fakes.openai_script import json_reply, stream_reply
from tests.models.requests import ADD, ECHO, answer, ask, user

ARGUMENTS = '{"a": 1, "b": 2}'


def function(name=None, arguments=None, **call):
    """A part of a call with just these fields."""
    given = {"name": name, "arguments": arguments}
    return {**call, "function": {key: value for key, value in given.items() if value is not None}}


def streamed(*deltas, finish="tool_calls", done=True):
    parts = [payloads.chat_chunk(delta) for delta in deltas]
    if finish is not None:
        parts.append(payloads.chat_chunk({}, finish))
    stream = list(payloads.chat_stream(parts))
    return stream_reply(stream if done else stream[:-1])


def calls(*parts):
    return [{"tool_calls": [part]} for part in parts]


TWO = [("add", ARGUMENTS), ("echo", '{"text": "x"}')]
SHAPES = {
    "no index, one delta a call": (
        calls(function("add", ARGUMENTS, id="1"), function("echo", '{"text": "x"}', id="2")),
        TWO,
    ),
    "no index and no id": (calls(function("add", ARGUMENTS), function("echo", '{"text": "x"}')), TWO),
    "no index, arguments in pieces": (
        calls(
            function("add", '{"a": 1,'),
            function(None, ' "b": 2}'),
            function("echo", '{"text"'),
            function(None, ': "x"}'),
        ),
        TWO,
    ),
    "empty ids": (calls(function("add", ARGUMENTS, id=""), function("echo", '{"text": "x"}', id="")), TWO),
    "index 0 for all and no ids": (
        calls(function("add", ARGUMENTS, index=0), function("echo", '{"text": "x"}', index=0)),
        TWO,
    ),
    "both in one delta without index": (
        [{"tool_calls": [function("add", ARGUMENTS), function("echo", '{"text": "x"}')]}],
        TWO,
    ),
    "the same tool twice": (calls(function("add", ARGUMENTS), function("add", ARGUMENTS)), [TWO[0], TWO[0]]),
    "the id comes second": (
        calls(function("add", index=0), function(None, ARGUMENTS, index=0, id="c1")),
        [TWO[0]],
    ),
    "function is null later": (
        calls(function("add", ARGUMENTS, index=0, id="c1"), {"index": 0, "function": None}),
        [TWO[0]],
    ),
    "a number for an id": (calls(function("add", ARGUMENTS, index=0, id=7)), [TWO[0]]),
    "another id in every delta": (
        calls(
            function("add", '{"a": 1,', index=0, id="c1"),
            function(None, ' "b"', index=0, id="c2"),
            function(None, ": 2}", index=0, id="c3"),
        ),
        [TWO[0]],
    ),
    "the name in every delta": (
        calls(function("add", '{"a": 1,', index=0, id="c1"), function("add", ' "b": 2}', index=0, id="c1")),
        [TWO[0]],
    ),
    "arguments as an object": (calls(function("add", {"a": 1, "b": 2}, index=0)), [("add", '{"a":1,"b":2}')]),
    "null as arguments": (calls(function("add", "null", index=0)), [("add", "{}")]),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_calls_are_told_apart_however_they_are_numbered(chat, replies, shape):
    deltas, wanted = SHAPES[shape]
    replies(streamed(*deltas))
    found = (await answer(chat, "hello", tools=[ADD, ECHO])).tool_calls
    assert [(call.function.name, call.function.arguments) for call in found] == wanted
    assert len({call.id for call in found}) == len(found)
    assert all(call.id for call in found)


@pytest.mark.parametrize("index", [None, 0])
async def test_arguments_reach_the_call_with_their_id(chat, replies, index):
    given = {} if index is None else {"index": index}
    begun = {"tool_calls": [function("add", id="1", **given), function("echo", id="2", **given)]}
    replies(
        streamed(
            begun,
            {"tool_calls": [function(None, '{"text": "x"}', id="2", **given)]},
            {"tool_calls": [function(None, ARGUMENTS, id="1", **given)]},
        )
    )
    found = (await answer(chat, "hello", tools=[ADD, ECHO])).tool_calls
    assert [(call.id, call.function.arguments) for call in found] == [
        ("1", ARGUMENTS),
        ("2", '{"text": "x"}'),
    ]


@pytest.mark.parametrize("call_id", [None, "3"])
async def test_arguments_that_could_be_two_calls_are_an_error(chat, replies, call_id):
    begun = {"tool_calls": [function("add", id="1"), function("echo", id="2")]}
    replies(streamed(begun, {"tool_calls": [function(None, ARGUMENTS, id=call_id)]}))
    with pytest.raises(ModelError, match="could belong to several calls"):
        await answer(chat, "hello", tools=[ADD, ECHO])


async def test_ids_that_come_late_or_as_numbers_are_kept(chat, replies):
    replies(streamed(*SHAPES["the id comes second"][0]), streamed(*SHAPES["a number for an id"][0]))
    for wanted in ("c1", "7"):
        assert (await answer(chat, "hello", tools=[ADD])).tool_calls[0].id == wanted


async def test_a_whole_answers_calls_are_those_that_it_lists(chat, replies):
    message = {"content": None, "tool_calls": [function("add", {"a": 1}, id=1), function("add", None)]}
    replies(json_reply({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
    found = (await answer(chat, "hello", tools=[ADD], stream=False)).tool_calls
    assert [call.function.arguments for call in found] == ['{"a":1}', "{}"]
    assert found[0].id == "1"


async def test_responses_takes_objects_and_numbers_too(responses, replies):
    item = payloads.call_item(payloads.Call("c1", "add")) | {"arguments": {"a": 1}, "call_id": 5}
    replies(json_reply(payloads.response([item])))
    (call,) = (await answer(responses, "hello", tools=[ADD], stream=False)).tool_calls
    assert (call.id, call.function.arguments) == ("5", '{"a":1}')


@pytest.mark.parametrize("finish", [None, ""])
async def test_a_stream_that_says_it_is_done_is_complete(chat, replies, finish):
    replies(streamed({"content": "Hel"}, {"content": "lo"}, finish=finish))
    assert (await answer(chat, "hello")).content == "Hello"
    replies(streamed({"content": "Hel"}, finish=finish, done=False))
    with pytest.raises(ModelError, match="ended its answer early"):
        await answer(chat, "hello")


THINKING = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}, {"type": "text", "text": "see."}]},
    {"type": "text", "text": "Yes."},
]
"""https://docs.mistral.ai/capabilities/reasoning"""


async def test_content_may_be_a_list_of_parts(chat, replies):
    replies(streamed({"content": THINKING[:1]}, {"content": THINKING[1:]}, finish="stop"))
    deltas, response = await ask(chat, "hello")
    assert (response.content, response.reasoning_content) == ("Yes.", "Let me see.")
    assert [(delta.content, delta.reasoning_content) for delta in deltas] == [
        ("", "Let me see."),
        ("Yes.", ""),
    ]
    replies(json_reply({"choices": [{"message": {"content": THINKING}, "finish_reason": "stop"}]}))
    whole = await answer(chat, "hello", stream=False)
    assert (whole.content, whole.reasoning_content) == ("Yes.", "Let me see.")


async def test_the_reasoning_that_is_there_counts(chat, replies):
    replies(streamed({"reasoning_content": None, "reasoning": "because"}, {"content": "Yes."}, finish="stop"))
    assert (await answer(chat, "hello")).reasoning_content == "because"


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_goes_back_to_where_it_came_from(make, server, replies, stream):
    """https://api-docs.deepseek.com/guides/thinking_mode"""

    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    call = function("add", ARGUMENTS, id="c1", type="function")
    first = {"content": None, "reasoning_content": "I add.", "tool_calls": [call]}
    replies(
        streamed({**first, "tool_calls": [{**call, "index": 0}]})
        if stream
        else json_reply({"choices": [{"message": first, "finish_reason": "tool_calls"}]}),
        streamed({"content": "3"}, finish="stop") if stream else json_reply(payloads.chat("3")),
    )
    agent = Agent(model=make(OpenAIChat), tools=[add])
    if stream:
        events = [each async for each in agent.arun("1 + 2?", stream=True, stream_events=True)]
        assert events[-1].event == "RunCompleted"
    else:
        assert (await agent.arun("1 + 2?")).status is RunStatus.COMPLETED
    sent = server.requests[-1].body["messages"]
    assert [each.get("reasoning_content") for each in sent if each["role"] == "assistant"] == ["I add."]


async def test_reasoning_of_earlier_runs_and_other_servers_stays_here(chat, server, replies):
    replies(json_reply(payloads.chat("hi")))
    made = {"id": "c1", "function": FunctionCall(name="add", arguments="{}")}
    thoughts = {"reasoning_content": "I add.", "tool_calls": [ToolCall(**made)]}
    known = {"provider_data": {"reasoning_field": "reasoning_content"}}
    history = [
        Message(role="assistant", **thoughts),
        Message(role="assistant", from_history=True, **thoughts, **known),
    ]
    await answer(chat, user("hi"), *history, stream=False)
    assert all("reasoning_content" not in each for each in server.requests[-1].body["messages"])


ERRORS = {
    429: "model_rate_limited",
    "429": "model_rate_limited",
    503: "model_unavailable",
    "insufficient_quota": "model_rate_limited",
    "content_filter": "model_rejected",
    None: "model_error",
}


@pytest.mark.parametrize("code", ERRORS)
async def test_an_error_in_a_good_answer_is_that_error(openai_model, replies, code):
    replies(json_reply({"error": {"message": "no", "code": code}, "status": "failed"}))
    with pytest.raises(ModelError) as caught:
        await answer(openai_model, "hello", stream=False)
    assert caught.value.code == ERRORS[code]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"code": "content_filter", "message": "The prompt was filtered"}, "filtered the answer out"),
        (
            {"code": 400, "message": "This model's maximum context length is 4096 tokens."},
            "longer than the model",
        ),
    ],
    ids=["Azure", "vLLM"],
)
async def test_a_400_that_says_why_is_told_apart(chat, replies, error, told):
    replies(json_reply({"error": error}, status=400))
    with pytest.raises(ModelError, match=told) as caught:
        await answer(chat, "hello", stream=False)
    assert caught.value.code == "model_rejected"


async def test_a_name_that_is_none_goes_back_as_one(openai_model, server):
    function = FunctionCall(name="multi_tool_use.parallel", arguments="{}")
    call = ToolCall(id="c1", function=function)
    result = Message(role="tool", tool_call_id="c1", content="unknown")
    asked = Message(role="assistant", tool_calls=[call])
    await answer(openai_model, user("hi"), asked, result, stream=False)
    assert "multi_tool_use_parallel" in str(server.requests[-1].body)
    assert "multi_tool_use.parallel" not in str(server.requests[-1].body)


@pytest.mark.parametrize("content", [None, ""])
async def test_no_text_is_the_same_as_an_empty_one(chat, replies, content):
    replies(json_reply({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}))
    assert (await answer(chat, "hello", stream=False)).content == ""


@pytest.mark.parametrize("usage", ["none", [], {"prompt_tokens": "many", "completion_tokens": 7.5}])
async def test_unreadable_counts_cost_no_answer(chat, replies, usage):
    replies(json_reply(payloads.chat("Done.") | {"usage": usage}))
    response = await answer(chat, "hello", stream=False)
    assert (response.content, response.metrics.total_tokens) == ("Done.", 0)


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_an_empty_answer_that_was_ended_is_a_failure(chat, replies, finish):
    replies(json_reply(payloads.chat("", finish=finish)), streamed({"content": ""}, finish=finish))
    for stream in (False, True):
        with pytest.raises(ModelError, match="token limit" if finish == "length" else "filtered"):
            await answer(chat, "hello", stream=stream)


async def test_what_has_to_come_back_with_calls_stays_in_its_run(chat, server, replies):
    replies(json_reply(payloads.chat("hi")))
    call = ToolCall(id="c1", function=FunctionCall(name="add", arguments="{}"))
    signed = {"tool_calls": [call], "provider_data": {"extra_content": [{"google": {"a": "b"}}]}}
    history = [
        Message(role="assistant", from_history=True, **signed),
        Message(role="assistant", **signed),
    ]
    await answer(chat, user("hi"), *history, stream=False)
    sent = server.requests[-1].body["messages"]
    extras = [each["tool_calls"][0].get("extra_content") for each in sent if each["role"] == "assistant"]
    assert extras == [None, {"google": {"a": "b"}}]
