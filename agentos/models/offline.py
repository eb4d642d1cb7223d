"""A model without API key or network, for first steps, demos and tests."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from time import perf_counter
from typing import Any, cast

from agentos.models.base import ModelDelta, ModelRequest, ModelResponse, ToolSpec
from agentos.models.example import example
from agentos.models.tool_choice import chosen_tool
from agentos.run.messages import FunctionCall, Message, Metrics, ToolCall

_INTRODUCTION = (
    "I am the offline model of agentos: no language model and no network stand behind me, only fixed rules. "
    "I call the tools you name and tell you what they answer."
)
_QUOTED = 300
"""Characters of a message or a tool's answer that are quoted."""

_Planned = tuple[str, dict[str, Any]]
"""A tool's name and arguments."""

_WORD = re.compile(r"[a-z]{4,}")
_COMMON = frozenset(
    _WORD.findall("""
        about also answer been call does from give have hello help here into just know like make more much
        name need please return returns some tell than thank that their them then there these they this
        time tool tools user want were what when where which will with would your
    """)
)
"""Words that are ignored when a message is matched to a tool."""
_LINK = re.compile(r"^(?:[\s:,.]|with\b|for\b|about\b|on\b|to\b|and\b|tool\b)+", re.IGNORECASE)


@dataclass(frozen=True)
class OfflineModel:
    """Answers by rules, the same way every time:

    1. Tools that the user's message names are called, all at once, with the JSON that follows the name
       (`use add with {"a": 1, "b": 2}`). Without a name, the tool that shares most words with the message
       is called. What is required and not given is made up from the message.
    2. When tools have answered, their answers are repeated, shortened.
    3. If an answer must fit a JSON schema, it is the smallest that does, with strings from the message.
    4. Otherwise it repeats what was said, also before. Its first answer in a conversation says what it is.

    A token is a word.
    """

    id: str = "offline"
    name: str = "OfflineModel"
    provider: str = "agentos"

    async def respond(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """See `Model.respond`."""
        started = perf_counter()
        turn = _Turn(request)
        calls = turn.calls()
        text = None if calls else turn.text()
        words = re.findall(r"\s*\S+|\s+$", text or "")
        first: float | None = None
        for word in words if request.stream else ():
            first = perf_counter() - started if first is None else first
            yield ModelDelta(word)
        read = sum(len((message.content or "").split()) for message in request.messages)
        written = len(words) + sum(len(call.function.arguments.split()) + 1 for call in calls)
        metrics = Metrics(
            input_tokens=read,
            output_tokens=written,
            total_tokens=read + written,
            time_to_first_token=first,
            duration=perf_counter() - started,
        )
        yield ModelResponse(content=text, tool_calls=calls, metrics=metrics)

    async def aclose(self) -> None:
        """Nothing to close."""


class _Turn:
    """A request, split at the user's last message."""

    def __init__(self, request: ModelRequest) -> None:
        messages = request.messages
        last = max((n for n, message in enumerate(messages) if message.role == "user"), default=-1)
        self._request = request
        self._before = messages[: max(last, 0)]
        self._since = messages[last + 1 :]
        self._asked = messages[last] if last >= 0 else Message(role="user")
        self._said = (self._asked.content or "").strip()

    def calls(self) -> list[ToolCall]:
        """The tools to call now; none once tools have answered."""
        if self._request.tool_choice == "none" or any(message.role == "tool" for message in self._since):
            return []
        head = f"call_{self._asked.id.replace('-', '')[:12]}"
        return [
            ToolCall(id=f"{head}_{n}", function=FunctionCall(name=name, arguments=json.dumps(arguments)))
            for n, (name, arguments) in enumerate(self._planned(), 1)
        ]

    def _planned(self) -> list[_Planned]:
        tools = self._request.tools
        only = chosen_tool(self._request.tool_choice)
        if only is not None:
            return [_plan(tool, self._said) for tool in tools if tool.name == only]
        found = _named(self._said, tools) or _alluded(self._said, tools)
        if not found and self._request.tool_choice == "required":
            return [_plan(tool, self._said) for tool in tools[:1]]
        return found

    def text(self) -> str:
        """The text of the answer."""
        wanted = self._request.response_format
        if wanted:
            return json.dumps(example(wanted.schema, self._said), ensure_ascii=False)
        results = [message for message in self._since if message.role == "tool"]
        told = [_told(result) for result in results] or self._small_talk()
        new = not any(message.role == "assistant" for message in self._before)
        return "\n\n".join([*self._introduction(), *told] if new else told)

    def _introduction(self) -> list[str]:
        names = ", ".join(tool.name for tool in self._request.tools)
        return [f"{_INTRODUCTION} Here I have: {names}." if names else _INTRODUCTION]

    def _small_talk(self) -> list[str]:
        earlier = [message.content for message in self._before if message.role == "user" and message.content]
        told = [f"You said: {_quote(self._said)}"] if self._said else ["You said nothing."]
        return [*told, f"Before that you said: {_quote(earlier[-1])}"] if earlier else told


def _told(result: Message) -> str:
    verb = "failed" if result.tool_call_error else "answered"
    return f"{result.tool_name or 'The tool'} {verb}: {_short(result.content or 'nothing')}"


def _quote(text: str) -> str:
    return f'"{_short(text)}"'


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _QUOTED else plain[:_QUOTED] + "…"


def _named(text: str, tools: Sequence[ToolSpec]) -> list[_Planned]:
    """Calls of the tools named in `text`, in order and without duplicates."""
    by_name = {tool.name.lower(): tool for tool in tools}
    longest_first = sorted(map(re.escape, by_name), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first) or '(?!)'})(?!\w)", re.IGNORECASE)
    calls: list[_Planned] = []
    found = pattern.search(text)
    while found:
        following = pattern.search(text, found.end())
        until = following.start() if following else len(text)
        given, end = _object(text, found.end(), until)
        call = _plan(by_name[found[0].lower()], text, given, text[found.end() : until])
        if call not in calls:
            calls.append(call)
        # A name inside the arguments is a value, not another call.
        found = pattern.search(text, max(end, found.end()))
    return calls


def _alluded(text: str, tools: Sequence[ToolSpec]) -> list[_Planned]:
    """A call of the tool whose name and description share the most words with `text`, if any."""
    said = _words(text)

    def score(tool: ToolSpec) -> int:
        summary = tool.description.partition("\n")[0]
        return 2 * len(said & _words(tool.name)) + len(said & _words(summary))

    best = max(tools, key=score, default=None)
    return [_plan(best, text)] if best and score(best) else []


def _plan(tool: ToolSpec, text: str, given: dict[str, Any] | None = None, rest: str = "") -> _Planned:
    """A call of `tool` with the arguments `given`.

    Other required arguments are derived from `rest`, the words after the tool's name, or from all of `text`.
    """
    given = given or {}
    words = "" if given else _LINK.sub("", rest).strip()
    missing = [name for name in tool.parameters.get("required", ()) if name not in given]
    filled = example({**tool.parameters, "required": missing}, words or text) if missing else {}
    return tool.name, {**(filled if isinstance(filled, dict) else {}), **given}


def _object(text: str, begin: int, until: int) -> tuple[dict[str, Any], int]:
    """The JSON object that starts between `begin` and `until`, and its end position."""
    begin = text.find("{", begin, until)
    if begin < 0:
        return {}, begin
    try:
        value, end = JSONDecoder().raw_decode(text, begin)
    except (JSONDecodeError, RecursionError):
        return {}, begin
    return cast("dict[str, Any]", value), end


def _words(text: str) -> frozenset[str]:
    return frozenset(word.removesuffix("s") for word in _WORD.findall(text.lower())) - _COMMON
