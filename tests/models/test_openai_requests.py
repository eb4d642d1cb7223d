"""What goes over the wire, in the words of each API."""

from base64 import b64encode

import pytest
from pydantic import BaseModel

from agentos.errors import ConfigurationError, ModelError
from agentos.models.base import ResponseFormat, ToolSpec
from agentos.models.openai import OpenAIChat, OpenAIResponses
from agentos.run.media import File, Image
from agentos.run.messages import FunctionCall, Message, ToolCall
from tests.models.requests import ADD, answer, user

SHARED = {
    "temperature": 0.5,
    "top_p": 0.9,
    "store": False,
    "service_tier": "flex",
    "user": "u-1",
    "metadata": {"team": "a"},
}
CHAT = {
    "max_tokens": 10,
    "max_completion_tokens": 11,
    "seed": 7,
    "stop": ["END"],
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "logit_bias": {"50256": -100},
    "reasoning_effort": "low",
    "verbosity": "high",
}


def call(call_id: str, name: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(id=call_id, function=FunctionCall(name=name, arguments=arguments))


async def test_nothing_is_sent_that_nobody_set(chat, responses, server):
    for model in (chat, responses):
        await answer(model, "hello", stream=False)
    assert [request.body for request in server.requests] == [
        {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hello"}]},
        {"model": "gpt-5.4-mini", "input": [{"role": "user", "content": "hello"}]},
    ]


async def test_chat_sends_every_option(make, server):
    await answer(make(OpenAIChat, id="m", **SHARED, **CHAT), "hello", stream=False)
    body = server.requests[0].body
    assert {name: body[name] for name in SHARED | CHAT} == SHARED | CHAT
    assert body["model"] == "m"


async def test_responses_sends_every_option(make, server):
    own = {"max_output_tokens": 9, "truncation": "auto", "include": ["reasoning.encrypted_content"]}
    thinking = {"reasoning_effort": "low", "reasoning_summary": "auto", "verbosity": "high"}
    await answer(make(OpenAIResponses, id="m", **SHARED, **own, **thinking), "hello", stream=False)
    body = server.requests[0].body
    assert {name: body[name] for name in SHARED | own} == SHARED | own
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["text"] == {"verbosity": "high"}


async def test_an_option_may_be_changed_between_turns(chat, server):
    chat.temperature = 0.25
    await answer(chat, "hello", stream=False)
    assert server.requests[0].body["temperature"] == 0.25


async def test_extras_reach_headers_query_and_body(make, openai_model, server):
    model = make(
        type(openai_model),
        organization="org-1",
        extra_headers={"X-Team": "a"},
        extra_query={"api-version": "1"},
        extra_body={"top_k": 3, "model": "other"},
    )
    await answer(model, "hello", stream=False)
    request = server.requests[0]
    assert (request.headers["x-team"], request.headers["openai-organization"]) == ("a", "org-1")
    assert request.query == "api-version=1"
    assert (request.body["top_k"], request.body["model"]) == (3, "other")


async def test_only_a_stream_asks_for_a_stream(chat, responses, server):
    for model in (chat, responses):
        for stream in (True, False):
            await answer(model, "hello", stream=stream)
    bodies = [request.body for request in server.requests]
    assert [body.get("stream") for body in bodies] == [True, None, True, None]
    options = [body.get("stream_options") for body in bodies]
    assert options == [{"include_usage": True}, None, None, None]


async def test_the_conversation_in_the_words_of_chat(chat, server):
    await answer(chat, *CONVERSATION, stream=False)
    assert server.requests[0].body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "1+2?", "name": "ann"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "assistant", "content": "Three."},
        {"role": "user", "content": "Thanks"},
    ]


async def test_the_conversation_in_the_words_of_responses(responses, server):
    await answer(responses, *CONVERSATION, stream=False)
    assert server.requests[0].body["input"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "1+2?"},
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
        {"type": "function_call_output", "call_id": "c2", "output": ""},
        {"role": "assistant", "content": "Three."},
        {"role": "user", "content": "Thanks"},
    ]


CONVERSATION = (
    Message(role="system", content="Be kind."),
    Message(role="developer", content="Be brief."),
    user("1+2?", name="ann"),
    # The second call's arguments are broken: a server could refuse them, so they go back empty.
    Message(
        role="assistant",
        content="Let me see.",
        tool_calls=[call("c1", "add", '{"a": 1}'), call("c2", "add", '{"a": ')],
    ),
    Message(role="tool", tool_call_id="c1", content="3"),
    Message(role="tool", tool_call_id="c2"),
    Message(role="assistant", content="Three."),
    user("Thanks"),
)
PNG = b"\x89PNG\r\n"
PDF = b"%PDF-1.7"


def media() -> Message:
    return user(
        "Look",
        images=[
            Image(url="https://example.com/a.png", detail="low"),
            Image(content=b64encode(PNG), mime_type="image/webp"),
        ],
        files=[File(content=b64encode(PDF), filename="a.pdf"), File(content=b64encode(PDF))],
    )


async def test_chat_carries_pictures_and_documents(chat, server):
    await answer(chat, media(), stream=False)
    webp = f"data:image/webp;base64,{b64encode(PNG).decode()}"
    pdf = f"data:application/pdf;base64,{b64encode(PDF).decode()}"
    assert server.requests[0].body["messages"][0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": webp}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
        {"type": "file", "file": {"filename": "document", "file_data": pdf}},
    ]


async def test_responses_carries_pictures_and_documents(responses, server):
    message = media()
    message.files.append(File(url="https://example.com/b.pdf"))
    await answer(responses, message, stream=False)
    pdf = f"data:application/pdf;base64,{b64encode(PDF).decode()}"
    webp = f"data:image/webp;base64,{b64encode(PNG).decode()}"
    assert server.requests[0].body["input"][0]["content"] == [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
        {"type": "input_image", "image_url": webp, "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": pdf},
        {"type": "input_file", "filename": "document", "file_data": pdf},
        {"type": "input_file", "file_url": "https://example.com/b.pdf"},
    ]


async def test_chat_refuses_a_documents_address(chat, server):
    with pytest.raises(ModelError, match="bytes, not its URL") as caught:
        await answer(chat, user("Read", files=[File(url="https://example.com/b.pdf")]))
    assert caught.value.code == "model_rejected"
    assert server.requests == []


async def test_tools_are_offered(make, server):
    strict = ToolSpec("now", "Tell the time.", {"type": "object", "properties": {}}, strict=True)
    for kind in (OpenAIChat, OpenAIResponses):
        model = make(kind, parallel_tool_calls=False)
        await answer(model, "hello", tools=[ADD, strict], tool_choice="add", stream=False)
        await answer(model, "hello", tool_choice="add", stream=False)
    chat, bare_chat, responses, bare_responses = (request.body for request in server.requests)
    closed = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    add = {"name": "add", "description": "Add two numbers.", "parameters": ADD.parameters}
    now = {"name": "now", "description": "Tell the time.", "parameters": closed, "strict": True}
    assert chat["tools"] == [{"type": "function", "function": add}, {"type": "function", "function": now}]
    assert responses["tools"] == [
        {"type": "function", **add, "strict": False},
        {"type": "function", **now},
    ]
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert responses["tool_choice"] == {"type": "function", "name": "add"}
    assert chat["parallel_tool_calls"] is responses["parallel_tool_calls"] is False
    for body in (bare_chat, bare_responses):
        assert not body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
async def test_a_mode_of_tool_choice_is_sent_as_it_is(openai_model, server, mode):
    await answer(openai_model, "hello", tools=[ADD], tool_choice=mode, stream=False)
    assert server.requests[0].body["tool_choice"] == mode


class City(BaseModel):
    name: str
    twin: str | None = None


class Free(BaseModel):
    notes: dict[str, str]


async def test_a_schema_is_enforced_where_it_can_be(chat, responses, server):
    for kind in (City, Free):
        wanted = ResponseFormat(f"{kind.__name__}[int]", kind.model_json_schema())
        for model in (chat, responses):
            await answer(model, "hello", response_format=wanted, stream=False)
    chat_city, responses_city, chat_free, responses_free = (request.body for request in server.requests)
    city = chat_city["response_format"]["json_schema"]
    assert (city["name"], city["strict"]) == ("City_int_", True)
    assert city["schema"]["required"] == ["name", "twin"]
    assert city["schema"]["additionalProperties"] is False
    assert responses_city["text"] == {"format": {"type": "json_schema", **city}}
    free = {"name": "Free_int_", "schema": Free.model_json_schema(), "strict": False}
    assert chat_free["response_format"] == {"type": "json_schema", "json_schema": free}
    assert responses_free["text"] == {"format": {"type": "json_schema", **free}}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"timeout": 0}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"base_url": "localhost:8000"}, "base_url"),
        ({"extra_headers": {"X-Key": "a\nb"}}, "X-Key"),
        ({"extra_body": {"a": object()}}, "extra_body"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(options, named):
    with pytest.raises(ConfigurationError, match=named):
        OpenAIChat(**options)
    with pytest.raises(ConfigurationError, match=named):
        OpenAIResponses(**options)


def test_right_options_are_taken():
    options = {"timeout": 1, "max_retries": 0, "base_url": "http://localhost:8000/v1"}
    for kind in (OpenAIChat, OpenAIResponses):
        assert kind("m", **options, extra_headers={"X-Key": "a b"}, extra_body={"a": [1]}).id == "m"
