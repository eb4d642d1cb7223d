"""Which tools the offline model calls, and with what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import JSONDecodeError, JSONDecoder
from typing import Any, cast

from agentos.models.base import ToolSpec
from agentos.models.example import example

Planned = tuple[str, dict[str, Any]]
"""A tool's name and its arguments."""

_WORD = re.compile(r"[a-z]{4,}")
_COMMON = frozenset(
    _WORD.findall("""
        about also answer been call does from give have hello help here into just know like make more much
        name need please return returns some tell than thank that their them then there these they this
        time tool tools user want were what when where which will with would your
    """)
)
"""Words that point to no tool."""
_LINK = re.compile(r"^(?:[\s:,.]|with\b|for\b|about\b|on\b|to\b|and\b|tool\b)+", re.IGNORECASE)


def named(text: str, tools: Sequence[ToolSpec]) -> list[Planned]:
    """Calls of the tools that `text` names, in its order, each different one once."""
    by_name = {tool.name.lower(): tool for tool in tools}
    longest_first = sorted(map(re.escape, by_name), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first) or '(?!)'})(?!\w)", re.IGNORECASE)
    calls: list[Planned] = []
    found = pattern.search(text)
    while found:
        following = pattern.search(text, found.end())
        until = following.start() if following else len(text)
        given, end = _object(text, found.end(), until)
        call = plan(by_name[found[0].lower()], text, given, text[found.end() : until])
        if call not in calls:
            calls.append(call)
        # A name inside the arguments is a value, not another call.
        found = pattern.search(text, max(end, found.end()))
    return calls


def alluded(text: str, tools: Sequence[ToolSpec]) -> list[Planned]:
    """A call of the tool whose name and description share most words with `text`, if any share one."""
    said = _words(text)

    def score(tool: ToolSpec) -> int:
        summary = tool.description.partition("\n")[0]
        return 2 * len(said & _words(tool.name)) + len(said & _words(summary))

    best = max(tools, key=score, default=None)
    return [plan(best, text)] if best and score(best) else []


def plan(tool: ToolSpec, text: str, given: dict[str, Any] | None = None, rest: str = "") -> Planned:
    """A call of `tool` with the arguments `given`.

    What else it requires is made up from `rest`, the words after the tool's name, or all of `text`.
    """
    given = given or {}
    words = "" if given else _LINK.sub("", rest).strip()
    missing = [name for name in tool.parameters.get("required", ()) if name not in given]
    filled = example({**tool.parameters, "required": missing}, words or text) if missing else {}
    return tool.name, {**(filled if isinstance(filled, dict) else {}), **given}


def _object(text: str, begin: int, until: int) -> tuple[dict[str, Any], int]:
    """The JSON object that starts between `begin` and `until`, and where it ends."""
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
