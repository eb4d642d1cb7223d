from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, MutableMapping, Reversible
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest
import typing_extensions
from pydantic import BaseModel, Field

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools import Tool, ToolError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    title: str
    floor: int = 0


@dataclass
class Size:
    width: int


class Spot(TypedDict):
    floor: int


class PortableSpot(typing_extensions.TypedDict):
    floor: int


class Runner:
    """Stands for an agent: a class that JSON can't carry."""


def text(a: str): ...
def number_with_default(a: int = 3): ...
def optional(a: int | None = None): ...
def implicitly_optional(a: int = None): ...  # noqa: RUF013 - how many people write it
def literal(a: Literal["x", "y"]): ...
def enum(a: Colour = Colour.RED): ...
def numbers(a: list[int]): ...
def collection(a: Collection[int]): ...
def iterable(a: Iterable[Annotated[int, Field(ge=1)]] | None): ...
def reversible(a: dict[str, Reversible[int]]): ...
def bare_collection(a: Collection): ...  # pyright: ignore[reportMissingTypeArgument]
def table(a: dict[str, float]): ...
def moment(a: datetime): ...
def bounded(a: Annotated[int, Field(ge=1, le=5)] = 2): ...
def field_default(a: int = Field(default=7, description="How many")): ...
def untyped(a): ...
def boundless(a: float = float("inf")): ...
def noted(a: Annotated[str, "City name"]): ...
def noted_twice(a: Annotated[str, "Note", Field(max_length=3)]): ...
def unserialisable_default(a: Any = object()): ...  # noqa: B008 - the case
def reserved(json: str, schema: str, model_config: str, copy: str): ...


@pytest.mark.parametrize(
    ("function", "schema"),
    [
        (text, {"type": "string"}),
        (number_with_default, {"type": "integer", "default": 3}),
        (optional, {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        (implicitly_optional, {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        (literal, {"type": "string", "enum": ["x", "y"]}),
        (enum, {"$ref": "#/$defs/Colour", "default": "red"}),
        (numbers, {"type": "array", "items": {"type": "integer"}}),
        (collection, {"type": "array", "items": {"type": "integer"}}),
        (
            iterable,
            {"anyOf": [{"type": "array", "items": {"type": "integer", "minimum": 1}}, {"type": "null"}]},
        ),
        (
            reversible,
            {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "integer"}},
            },
        ),
        (bare_collection, {"type": "array", "items": {}}),
        (table, {"type": "object", "additionalProperties": {"type": "number"}}),
        (moment, {"type": "string", "format": "date-time"}),
        (bounded, {"type": "integer", "minimum": 1, "maximum": 5, "default": 2}),
        (field_default, {"type": "integer", "default": 7, "description": "How many"}),
        (untyped, {}),
        (boundless, {"type": "number"}),
        (noted, {"type": "string", "description": "City name"}),
        (noted_twice, {"type": "string", "description": "Note", "maxLength": 3}),
        (unserialisable_default, {}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_parameter_becomes_a_json_schema(function: Callable[..., Any], schema: dict[str, Any]):
    whole = Tool.of(function).spec.parameters
    has_default = "default" in schema or function in {unserialisable_default, boundless}
    required = [] if has_default else ["a"]
    assert whole["properties"] == {"a": schema}
    assert whole.get("required", []) == required
    assert (whole["type"], whole["additionalProperties"]) == ("object", False)
    json.dumps(whole)


def test_nested_classes_become_definitions():
    def visit(place: Place, size: Size): ...

    schema = Tool.of(visit).spec.parameters
    assert schema["properties"] == {"place": {"$ref": "#/$defs/Place"}, "size": {"$ref": "#/$defs/Size"}}
    assert schema["$defs"]["Place"]["properties"]["title"] == {"type": "string"}
    assert schema["$defs"]["Place"]["required"] == ["title"]


def test_the_docstring_describes_the_tool_and_its_parameters():
    def forecast(city: str, days: int = 1):
        """Tells the weather.

        Args:
            city: Where.
            days: How far ahead.
        """

    spec = Tool.of(forecast).spec
    assert (spec.name, spec.description) == ("forecast", "Tells the weather.")
    assert spec.parameters["properties"]["city"]["description"] == "Where."
    assert spec.parameters["properties"]["days"]["description"] == "How far ahead."


def test_names_that_pydantic_keeps_for_itself_are_good_parameter_names():
    assert list(Tool.of(reserved).spec.parameters["properties"]) == ["json", "schema", "model_config", "copy"]


def test_a_function_without_parameters_takes_an_empty_object():
    def now(): ...

    assert Tool.of(now).spec.parameters == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


def context(a: int, run: RunContext): ...
def optional_context(run: RunContext | None, a: int): ...
def agent(a: int, agent: Runner): ...
def optional_agent(a: int, agent: Runner | None = None): ...
def untyped_agent(a: int, agent): ...


@pytest.mark.parametrize("function", [context, optional_context, agent, optional_agent, untyped_agent])
def test_what_the_run_gives_is_hidden_from_the_model(function: Callable[..., Any]):
    assert list(Tool.of(function).spec.parameters["properties"]) == ["a"]


def test_an_agent_that_json_can_carry_is_the_models_to_give():
    def assign(ticket: int, agent: str): ...

    assert list(Tool.of(assign).spec.parameters["properties"]) == ["ticket", "agent"]


def test_keyword_arguments_open_the_schema():
    def free(a: int, **more: int): ...

    assert Tool.of(free).spec.parameters["additionalProperties"] == {"type": "integer"}


def positional_only(a: int, /): ...
def star(*a: int): ...
def unknown_type(a: Missing): ...  # noqa: F821 # pyright: ignore[reportUndefinedVariable]
def no_json(a: Runner): ...
def no_json_schema(a: Callable[[int], int]): ...
def positional_context(a: RunContext, /): ...
def odd_keywords(**a: Runner): ...


@pytest.mark.parametrize(
    "function",
    [positional_only, star, unknown_type, no_json, no_json_schema, positional_context, odd_keywords],
)
def test_a_parameter_that_no_model_can_fill_is_refused_by_name(function: Callable[..., Any]):
    with pytest.raises(ConfigurationError, match=rf"'{function.__name__}': its parameter 'a' "):
        Tool.of(function)


@pytest.mark.parametrize("thing", [len, Runner, Runner(), "text"], ids=["builtin", "class", "object", "text"])
def test_only_functions_and_methods_become_tools(thing: Any):
    with pytest.raises(ConfigurationError, match="not a function or method"):
        Tool.of(thing)


@pytest.mark.parametrize("hint", [dict, dict[str, Any], MutableMapping[str, Any], Any])
def test_the_sessions_state_is_given_and_not_asked_for(hint: Any, context: RunContext):
    def remember(session_state, x: int): ...

    remember.__annotations__["session_state"] = hint
    parsed = Tool.of(remember).arguments
    assert list(parsed.schema["properties"]) == ["x"]
    values = parsed.inject(parsed.parse('{"x": 1}'), context, None)
    assert values["session_state"] is context.session_state
    with pytest.raises(ToolError):
        parsed.parse('{"x": 1, "session_state": {"admin": true}}')


def test_a_value_of_another_type_may_be_called_session_state():
    def move(session_state: str): ...

    assert list(Tool.of(move).spec.parameters["properties"]) == ["session_state"]


def test_items_are_checked_before_the_call():
    with pytest.raises(ToolError, match=r"a\.0"):
        Tool.of(iterable).arguments.parse('{"a": [0]}')
    assert Tool.of(iterable).arguments.parse('{"a": [1]}') == {"a": [1]}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it from Python 3.12 on")
def test_a_typed_dict_of_typing_is_refused_with_what_to_import():
    def save(place: Spot): ...

    with pytest.raises(ConfigurationError, match="import it from typing_extensions"):
        Tool.of(save)


def test_a_typed_dict_of_typing_extensions_is_an_object():
    def save(place: PortableSpot): ...

    schema = Tool.of(save).spec.parameters
    assert schema["$defs"]["PortableSpot"]["properties"] == {"floor": {"type": "integer"}}
