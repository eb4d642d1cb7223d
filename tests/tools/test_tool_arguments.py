from __future__ import annotations

import json
from contextlib import suppress
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentos.run.runnable import RunContext
from agentos.tools import Tool, ToolError


class Colour(Enum):
    RED = "red"


class Place(BaseModel):
    title: str


def paint(
    place: Place,
    count: int = 1,
    colour: Colour = Colour.RED,
    size: Literal["s", "l"] | None = None,
    tags: list[str] = ["a"],  # noqa: B006 - must not be shared
): ...


def no_parameters(): ...


PAINT = Tool.of(paint).arguments
PLACE = '"place": {"title": "hall"}'


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (f"{{{PLACE}}}", "place", Place(title="hall")),
        (f"{{{PLACE}}}", "count", 1),
        (f"{{{PLACE}}}", "size", None),
        (f'{{{PLACE}, "count": "2"}}', "count", 2),
        (f'{{{PLACE}, "colour": "red"}}', "colour", Colour.RED),
        (f'{{{PLACE}, "size": "l"}}', "size", "l"),
        (f'{{{PLACE}, "tags": []}}', "tags", []),
    ],
)
def test_arguments_become_values(text: str, name: str, value: object):
    assert PAINT.parse(text)[name] == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "- place: Field required"),
        ("{}", "- place: Field required"),
        ("{", "- arguments: Invalid JSON"),
        ("[]", "- arguments: Input should be an object"),
        ("null", "- arguments: Input should be an object"),
        ('{"place": {}}', "- place.title: Field required"),
        (f'{{{PLACE}, "count": "many"}}', "- count: Input should be a valid integer"),
        (f'{{{PLACE}, "colour": "green"}}', "- colour: Input should be 'red'"),
        (f'{{{PLACE}, "size": "m"}}', "- size: Input should be 's' or 'l'"),
        (f'{{{PLACE}, "colr": 1}}', "- colr: Extra inputs are not permitted"),
        (f'{{{PLACE}, "p1": 1}}', "- p1: Extra inputs are not permitted"),
        ("[" * 100, "- arguments: Invalid JSON"),
        ("[" * 10_000, "its brackets don't match."),
        ("[" * 200 + "]" * 200, "JSON may nest 100 levels."),
        ("[" + "[]," * 100_000, "JSON may hold 100000 values."),
        ('{"a": "\ud800"}', "- place: Field required"),
    ],
    ids=lambda value: value[:20].encode("ascii", "replace").decode(),
)
def test_arguments_that_do_not_fit_are_explained_to_the_model(text: str, told: str):
    with pytest.raises(ToolError) as caught:
        PAINT.parse(text)
    assert told in str(caught.value)
    assert str(caught.value).endswith("its parameters: place (required), count, colour, size, tags.")


def test_a_thousand_mistakes_are_not_all_listed():
    with pytest.raises(ToolError) as caught:
        PAINT.parse(json.dumps({"place": {"title": ""}, "tags": [1] * 1000}))
    assert "- and 990 more" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", ["", " ", "{}"])
def test_a_tool_without_parameters_takes_blank_text(text: str):
    assert Tool.of(no_parameters).arguments.parse(text) == {}


def test_a_tool_without_parameters_says_so():
    with pytest.raises(ToolError, match="it has no parameters"):
        Tool.of(no_parameters).arguments.parse('{"a": 1}')


def test_defaults_are_not_shared_between_calls():
    PAINT.parse(f"{{{PLACE}}}")["tags"].append("b")
    assert PAINT.parse(f"{{{PLACE}}}")["tags"] == ["a"]


def test_keyword_arguments_are_checked_by_their_type():
    def free(a: int, **more: int): ...

    arguments = Tool.of(free).arguments
    assert arguments.parse('{"a": 1, "b": "2"}') == {"a": 1, "b": 2}
    with pytest.raises(ToolError, match="- b: Input should be a valid integer"):
        arguments.parse('{"a": 1, "b": "x"}')


def test_a_model_can_not_replace_what_the_run_gives(context: RunContext):
    def free(run: RunContext, agent, **more: Any): ...

    arguments = Tool.of(free).arguments
    values = arguments.inject(arguments.parse('{"run": "mine", "agent": "mine"}'), context, "the agent")
    assert values == {"run": context, "agent": "the agent"}


def all_kinds(
    whole: int, real: float, flag: bool, words: list[str], table: dict[str, int], maybe: str | None
): ...


KINDS = st.fixed_dictionaries(
    {
        "whole": st.integers(-(10**30), 10**30),
        "real": st.floats(allow_nan=False, allow_infinity=False),
        "flag": st.booleans(),
        "words": st.lists(st.text()),
        "table": st.dictionaries(st.text(), st.integers()),
        "maybe": st.none() | st.text(),
    }
)
ALL_KINDS = Tool.of(all_kinds).arguments


@settings(deadline=None)
@given(KINDS, st.booleans())
def test_values_come_through_json_unchanged(values: dict[str, object], ascii_only: bool):
    assert ALL_KINDS.parse(json.dumps(values, ensure_ascii=ascii_only)) == values


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["whole", "words"]), inner),
)


@settings(deadline=None)
@given(st.text(st.characters()) | JSON.map(json.dumps) | st.text('{}[]":,0aw\\u ', max_size=30))
def test_no_text_breaks_the_parser(text: str):
    with suppress(ToolError):
        assert ALL_KINDS.parse(text).keys() == ALL_KINDS.fields.keys()
