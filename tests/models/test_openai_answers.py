"""Answers as providers really give them, and as they shouldn't."""

import pytest

from agentos.errors import ModelError
from agentos.models.openai import OpenAIChat
from agentos.run.messages import Message
from tests.fakes import openai_payloads as payloads
from tests.fakes.openai_payloads import Call
from tests.fakes.openai_script import Reply, json_reply, stream_reply
from tests.models.requests import ADD, ECHO, answer, ask, user


def chunks(*deltas: dict, finish: str | None = "stop") -> Reply:
    parts = [payloads.chat_chunk(delta) for delta in deltas]
    return stream_reply(payloads.chat_stream([*parts, payloads.chat_chunk({}, finish)]))


def events(*output: dict, **more) -> Reply:
    return stream_reply(payloads.response_stream(payloads.response_events(output, **more)))


def texts(deltas, part: str) -> str:
    return "".join(getattr(delta, part) for delta in deltas)


async def test_usage_has_its_details(openai_model):
    for stream in (True, False):
        metrics = (await answer(openai_model, "hello", stream=stream)).metrics
        assert (metrics.input_tokens, metrics.output_tokens, metrics.total_tokens) == (12, 7, 19)
        assert (metrics.reasoning_tokens, metrics.cache_read_tokens, metrics.cache_write_tokens) == (3, 4, 1)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "prompt_tokens_details": None}])
async def test_usage_may_be_missing(chat, replies, usage):
    replies(json_reply(payloads.chat("hi") | {"usage": usage}))
    assert (await answer(chat, "hello", stream=False)).metrics.total_tokens == 0


async def test_the_providers_id_is_kept(chat, responses):
    assert (await answer(chat, "hello")).provider_data == {"id": "chatcmpl-1"}
    assert (await answer(responses, "hello")).provider_data == {"id": "resp_1"}


async def test_a_refusal_is_text(chat, responses, replies):
    refusal = payloads.message_item("") | {"content": [{"type": "refusal", "refusal": "I won't."}]}
    replies(json_reply(payloads.chat(None) | {"choices": [{"message": {"refusal": "I won't."}}]}))
    assert (await answer(chat, "hello", stream=False)).content == "I won't."
    replies(chunks({"refusal": "I "}, {"refusal": "won't."}))
    assert (await answer(chat, "hello")).content == "I won't."
    replies(json_reply(payloads.response([refusal])))
    assert (await answer(responses, "hello", stream=False)).content == "I won't."


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_chat_shows_reasoning_that_a_server_shows(chat, replies, field):
    replies(chunks({field: "Let me "}, {field: "think."}, {"content": "Yes."}))
    deltas, response = await ask(chat, "hello")
    assert response.reasoning_content == texts(deltas, "reasoning_content") == "Let me think."
    assert response.content == texts(deltas, "content") == "Yes."


async def test_responses_shows_summaries_of_its_reasoning(responses, replies):
    thinking = payloads.reasoning_item("First this.", "Then that.")
    output = (thinking, payloads.message_item("Yes."))
    replies(events(*output), json_reply(payloads.response(output)))
    deltas, streamed = await ask(responses, "hello")
    _, whole = await ask(responses, "hello", stream=False)
    assert texts(deltas, "reasoning_content") == "First this.\n\nThen that."
    assert streamed.reasoning_content == whole.reasoning_content == "First this.\n\nThen that."
    assert texts(deltas, "content") == streamed.content == whole.content == "Yes."


@pytest.mark.parametrize("stream", [True, False])
async def test_broken_arguments_are_passed_on_as_they_are(openai_model, replies, stream):
    called = Call("c1", "add", '{"a": 1, "b"')
    if isinstance(openai_model, OpenAIChat):
        whole = json_reply(payloads.chat(None, [called]))
        replies(stream_reply(payloads.chat_stream(payloads.chat_chunks(None, [called]))) if stream else whole)
    else:
        item = payloads.call_item(called)
        replies(events(item) if stream else json_reply(payloads.response([item])))
    response = await answer(openai_model, "hello", tools=[ADD], stream=stream)
    assert response.tool_calls[0].function.arguments == '{"a": 1, "b"'


async def test_calls_that_all_have_the_index_0_stay_apart(chat, replies):
    def part(call_id: str, name: str) -> dict:
        return {"tool_calls": [{"index": 0, "id": call_id, "function": {"name": name, "arguments": ""}}]}

    replies(chunks(part("c1", "add"), part("c2", "echo"), finish="tool_calls"))
    calls = (await answer(chat, "hello", tools=[ADD, ECHO])).tool_calls
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("c1", "add", "{}"),
        ("c2", "echo", "{}"),
    ]


async def test_only_the_first_choice_counts(make, replies):
    chat = make(OpenAIChat, extra_body={"n": 2})
    parts = [payloads.chat_chunk({"content": text}) for text in ("one ", "uno ", "two")]
    parts[1]["choices"][0]["index"] = 1
    replies(stream_reply(payloads.chat_stream([*parts, payloads.chat_chunk({}, "stop")])))
    deltas, response = await ask(chat, "hello")
    assert texts(deltas, "content") == response.content == "one two"


async def test_items_count_that_only_their_own_events_carry(responses, replies):
    *most, last = payloads.response_events([payloads.message_item("Yes.")])
    last["response"]["output"] = []
    replies(stream_reply(payloads.response_stream([*most, last])))
    assert (await answer(responses, "hello")).content == "Yes."


async def test_calls_without_ids_get_some(chat, replies):
    call = {"type": "function", "function": {"name": "add", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call, call]}
    replies(json_reply({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}))
    calls = (await answer(chat, "hello", tools=[ADD], stream=False)).tool_calls
    assert len({call.id for call in calls}) == 2


async def test_an_empty_text_is_an_answer(chat, responses, replies):
    replies(json_reply(payloads.chat("")))
    assert (await answer(chat, "hello", stream=False)).content == ""
    replies(json_reply(payloads.response([payloads.message_item("")])))
    assert (await answer(responses, "hello", stream=False)).content == ""


EMPTY = {"index": 0, "message": {"role": "assistant", "content": None}}
NONSENSE = {
    "html": Reply(content=b"<html>gateway</html>"),
    "half of JSON": Reply(content=b'{"choices": ['),
    "not UTF-8": Reply(content=b'"\xff\xfe"'),
    "a list": json_reply([1, 2]),
    "null": json_reply(None),
    "no fields": json_reply({}),
    "wrong types": json_reply({"choices": "none", "output": 3}),
    "no choices": json_reply({"choices": [], "output": []}),
    "no content": json_reply({"choices": [EMPTY], "output": [payloads.message_item("") | {"content": []}]}),
    "a nameless call": json_reply(
        {
            "choices": [{"message": {"tool_calls": [{"id": "c1", "function": {"arguments": "{}"}}]}}],
            "output": [{"type": "function_call", "call_id": "c1", "arguments": "{}"}],
        }
    ),
}


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_is_a_bad_response(openai_model, replies, what):
    replies(NONSENSE[what])
    with pytest.raises(ModelError, match="no sense") as caught:
        await answer(openai_model, "hello", stream=False)
    assert caught.value.code == "model_bad_response"


@pytest.mark.parametrize("event", [b"data: {half\n\n", b"data: [1]\n\n", b"data: 3\n\n", b"data: \xff\n\n"])
async def test_nonsense_in_a_stream_is_a_bad_response(openai_model, replies, event):
    replies(stream_reply([event]))
    with pytest.raises(ModelError, match="no sense") as caught:
        await answer(openai_model, "hello")
    assert caught.value.code == "model_bad_response"


@pytest.mark.parametrize("ending", ["whole", "broken"])
async def test_a_stream_without_its_end_is_no_answer(chat, responses, replies, ending):
    halves = [
        (chat, payloads.chat_stream(payloads.chat_chunks("one two three"))[:3]),
        (responses, payloads.response_stream(payloads.response_events([payloads.message_item("a b")]))[:3]),
        (chat, []),
        (responses, []),
    ]
    for model, half in halves:
        replies(stream_reply(half, ending))
        with pytest.raises(ModelError) as caught:
            await answer(model, "hello")
        assert caught.value.code == "model_unavailable"


@pytest.mark.parametrize(
    ("reason", "code", "says"),
    [("length", "model_bad_response", "token limit"), ("content_filter", "model_rejected", "filtered")],
)
async def test_an_answer_that_ended_before_it_began_says_why(chat, responses, replies, reason, code, says):
    replies(json_reply({"choices": [EMPTY | {"finish_reason": reason}]}))
    with pytest.raises(ModelError, match=says) as from_chat:
        await answer(chat, "hello", stream=False)
    details = {"reason": "max_output_tokens" if reason == "length" else reason}
    replies(events(status="incomplete", incomplete_details=details))
    with pytest.raises(ModelError, match=says) as from_responses:
        await answer(responses, "hello")
    assert from_chat.value.code == from_responses.value.code == code


async def test_an_answer_that_was_cut_short_is_kept(chat, responses, replies):
    replies(json_reply(payloads.chat("As far as", finish="length")))
    assert (await answer(chat, "hello", stream=False)).content == "As far as"
    details = {"reason": "max_output_tokens"}
    replies(events(payloads.message_item("As far as"), status="incomplete", incomplete_details=details))
    assert (await answer(responses, "hello")).content == "As far as"


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("rate_limit_exceeded", "model_rate_limited"),
        ("server_error", "model_unavailable"),
        ("invalid_prompt", "model_rejected"),
        ("something_new", "model_error"),
    ],
)
async def test_a_failure_inside_an_answer_keeps_its_meaning(chat, responses, replies, code, ours):
    error = {"code": code, "message": "secret detail"}
    for model, reply in [
        (chat, stream_reply([payloads.sse({"error": error})])),
        (responses, stream_reply([payloads.sse({"type": "error", **error}, "error")])),
        (responses, events(status="failed", error=error)),
    ]:
        replies(reply)
        with pytest.raises(ModelError) as caught:
            await answer(model, "hello")
        assert caught.value.code == ours
        assert "secret" not in str(caught.value)
    replies(json_reply(payloads.response([], status="failed", error=error)))
    with pytest.raises(ModelError) as caught:
        await answer(responses, "hello", stream=False)
    assert caught.value.code == ours


def thought(response) -> Message:
    return Message(
        role="assistant",
        content=response.content,
        tool_calls=list(response.tool_calls),
        provider_data=response.provider_data,
    )


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_goes_back_between_tool_calls(make, responses, replies, server, stream):
    output = [payloads.reasoning_item("Hm.", encrypted="e1"), payloads.call_item(Call("c1", "add", '{"a"'))]
    replies(events(*output) if stream else json_reply(payloads.response(output)))
    first = await answer(responses, "1+2?", tools=[ADD], stream=stream)
    turn = [user("1+2?"), thought(first), Message(role="tool", tool_call_id="c1", content="3")]
    replies(json_reply(payloads.response([payloads.message_item("3")])))

    await answer(responses, *turn, tools=[ADD], stream=False)
    reasoning, call = server.requests[-1].body["input"][1:3]
    assert reasoning == output[0]
    assert call == output[1] | {"arguments": "{}"}

    rebuilt = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"}
    await answer(responses, *turn, user("And now?"), tools=[ADD], stream=False)
    assert server.requests[-1].body["input"][1] == rebuilt, "an earlier turn's reasoning is over"
    await answer(make(type(responses), id="other"), *turn, tools=[ADD], stream=False)
    assert server.requests[-1].body["input"][1] == rebuilt, "it means nothing to another model"


@pytest.mark.parametrize(("encrypted", "kept"), [("e1", True), (None, False)])
async def test_unstored_reasoning_goes_back_only_encrypted(make, responses, replies, server, encrypted, kept):
    model = make(type(responses), store=False)
    output = [payloads.reasoning_item("Hm.", encrypted=encrypted), payloads.call_item(Call("c1", "add"))]
    replies(json_reply(payloads.response(output)))
    first = await answer(model, "1+2?", tools=[ADD], stream=False)
    turn = [user("1+2?"), thought(first), Message(role="tool", tool_call_id="c1", content="3")]
    await answer(model, *turn, tools=[ADD], stream=False)
    sent = server.requests[-1].body["input"]
    assert [item.get("type") for item in sent] == [
        None,
        *(["reasoning"] if kept else []),
        "function_call",
        "function_call_output",
    ]
    assert ("id" in sent[-2]) is kept


async def test_the_phase_of_a_message_goes_back(responses, replies, server):
    replies(json_reply(payloads.response([payloads.message_item("Working on it.", phase="commentary")])))
    first = await answer(responses, "go", stream=False)
    await answer(responses, "go", thought(first), "and?", stream=False)
    said = {"role": "assistant", "content": "Working on it.", "phase": "commentary"}
    assert server.requests[-1].body["input"][1] == said
