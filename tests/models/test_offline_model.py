import json

import pytest

from agentos.models.base import ResponseFormat, ToolSpec
from agentos.models.offline import OfflineModel
from agentos.run.messages import Message
from tests.models.requests import ADD, ECHO, answer, user

TOP = ToolSpec(
    "get_top_hackernews_stories",
    "Get the top stories from Hacker News.\n\nArgs: num_stories and other words, e.g. weather.",
    {"type": "object", "properties": {"num_stories": {"type": "integer", "default": 10}}},
)
SEARCH = ToolSpec(
    "web_search",
    "Search the web for a query.",
    {
        "type": "object",
        "properties": {"query": {"type": "string"}, "max_results": {"type": "integer"}},
        "required": ["query"],
    },
)
TOOLS = [TOP, SEARCH, ADD, ECHO]


async def calls(*messages, **more) -> list[tuple[str, dict]]:
    response = await answer(OfflineModel(), *messages, **{"tools": TOOLS} | more)
    return [(call.function.name, json.loads(call.function.arguments)) for call in response.tool_calls]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('use get_top_hackernews_stories with {"num_stories": 2}', [(TOP.name, {"num_stories": 2})]),
        ("Use GET_TOP_HACKERNEWS_STORIES", [(TOP.name, {})]),
        ("use web_search for postgres 18", [("web_search", {"query": "postgres 18"})]),
        ("web_search: agents", [("web_search", {"query": "agents"})]),
        ("web_search", [("web_search", {"query": "web_search"})]),
        (
            'add {"a": 1, "b": 2} then echo {"text": "x"}',
            [("add", {"a": 1, "b": 2}), ("echo", {"text": "x"})],
        ),
        ('add {"a": 1} 7', [("add", {"a": 1, "b": 1})]),
        ("add 5", [("add", {"a": 5, "b": 5})]),
        ('echo {"text": "web_search"}', [("echo", {"text": "web_search"})]),
        ("echo {broken", [("echo", {"text": "{broken"})]),
        ("echo echo", [("echo", {"text": "echo echo"})]),
        ("Search for news", [("web_search", {"query": "Search for news"})]),
        ("What are the top stories?", [(TOP.name, {})]),
        ("Hello, who are you and what can you do?", []),
        ("How is the weather?", []),
        ("An echoing hall, additional rooms", []),
        ("", []),
    ],
)
async def test_the_message_decides_which_tools_are_called(text, expected):
    assert await calls(text) == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", []),
        ("required", [(TOP.name, {})]),
        ("echo", [("echo", {"text": "Hello"})]),
        ({"type": "function", "function": {"name": "echo"}}, [("echo", {"text": "Hello"})]),
        ("auto", []),
    ],
)
async def test_a_tool_choice_is_obeyed(choice, expected):
    assert await calls("Hello", tool_choice=choice) == expected


async def test_no_tools_no_calls():
    assert await calls("use web_search", tools=[]) == []


async def test_the_first_answer_says_what_it_is_and_later_ones_do_not():
    first = await answer(OfflineModel(), "hello", tools=TOOLS)
    assert "offline model" in first.content
    assert "no language model" in first.content
    assert "web_search" in first.content
    assert 'You said: "hello"' in first.content
    later = await answer(
        OfflineModel(), "hello", Message(role="assistant", content=first.content), "again", tools=TOOLS
    )
    assert later.content == 'You said: "again"\n\nBefore that you said: "hello"'


async def test_what_tools_answered_is_told():
    results = [
        Message(role="tool", tool_call_id="1", tool_name="web_search", content="Found it.\n" + "x" * 999),
        Message(role="tool", tool_call_id="2", tool_name="add", content="No b.", tool_call_error=True),
    ]
    said = (await answer(OfflineModel(), "web_search and add", *results, tools=TOOLS)).content
    assert "web_search answered: Found it. xxx" in said
    assert "x…" in said
    assert "add failed: No b." in said
    assert len(said) < 999


async def test_a_schema_is_filled_from_the_message():
    schema = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
    response = await answer(OfflineModel(), "I like tea", response_format=ResponseFormat("note", schema))
    assert json.loads(response.content) == {"note": "I like tea"}


async def test_the_same_request_has_the_same_answer():
    asked = user("use add")
    first, second = [await answer(OfflineModel(), asked, tools=TOOLS) for _ in range(2)]
    assert first.tool_calls == second.tool_calls
    other = await answer(OfflineModel(), "use add", tools=TOOLS)
    assert other.tool_calls[0].id != first.tool_calls[0].id, "ids are unique in a session"


async def test_words_are_counted():
    metrics = (await answer(OfflineModel(), "one two", "three", tools=[])).metrics
    assert metrics.input_tokens == 3
    assert metrics.output_tokens > 20


async def test_silence_is_answered():
    assert "You said nothing." in (await answer(OfflineModel(), "")).content
    assert (await answer(OfflineModel(), Message(role="system", content="Be kind."))).content
