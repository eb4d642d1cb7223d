from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, RootModel

from agentos.models.openai.strict_schema import strict_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float = 0
    y: float | None = None


class Circle(BaseModel):
    kind: Literal["circle"]
    centre: Point = Field(description="Where it is.")


class Square(BaseModel):
    kind: Literal["square"]
    corners: list[Point] = Field(max_length=4)


class Drawing(BaseModel):
    id: UUID
    name: Annotated[str, Field(min_length=1, max_length=9, pattern="^[a-z]+$")]
    site: HttpUrl
    colour: Colour = Colour.RED
    shapes: list[Annotated[Circle | Square, Field(discriminator="kind")]]
    inside: "Drawing | None" = None


def objects(node: object) -> list[dict]:
    """Every schema of an object in `node`."""
    found = [node] if isinstance(node, dict) and node.get("type") == "object" else []
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [*found, *(each for part in inner for each in objects(part))]


def keys(node: object) -> set[str]:
    if isinstance(node, list):
        return {key for part in node for key in keys(part)}
    return (
        set(node) | {key for part in node.values() for key in keys(part)} if isinstance(node, dict) else set()
    )


def test_every_object_is_closed_and_complete():
    strict = strict_schema(Drawing.model_json_schema())
    assert len(objects(strict)) == 4
    for each in objects(strict):
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


def test_what_strict_mode_refuses_is_gone():
    strict = strict_schema(Drawing.model_json_schema())
    assert not keys(strict) & {"default", "discriminator", "oneOf", "minLength", "maxLength"}
    drawing = strict["$defs"]["Drawing"]["properties"]
    assert drawing["name"]["pattern"] == "^[a-z]+$"
    assert (drawing["id"]["format"], drawing["site"].get("format")) == ("uuid", None)


def test_a_reference_stands_alone_and_keeps_its_description():
    centre = strict_schema(Circle.model_json_schema())["properties"]["centre"]
    assert centre == {"anyOf": [{"$ref": "#/$defs/Point"}], "description": "Where it is."}


def test_the_schema_given_stays_as_it_was():
    schema = Drawing.model_json_schema()
    strict_schema(schema)
    assert schema == Drawing.model_json_schema()


class Table(BaseModel):
    rows: dict[str, int]


class Pair(BaseModel):
    both: tuple[int, int]


class Anything(BaseModel):
    value: object


class Many(BaseModel):
    values: list


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


@pytest.mark.parametrize("kind", [Table, Pair, Anything, Many, Open])
def test_what_cannot_be_said_strictly_is_not(kind):
    assert strict_schema(kind.model_json_schema()) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": ["object", "null"]},
        {"not": {"type": "string"}},
        {"allOf": [{"type": "string"}, {"type": "string"}]},
        {"type": "array", "items": True},
        {"$defs": {"A": {"type": "object"}}, "$ref": "#/$defs/A"},
    ],
)
def test_open_ends_of_json_schema_are_not_strict(schema):
    assert strict_schema(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"]},
        {"enum": ["a", 1]},
        {"const": "a"},
        {"type": "array", "items": {"type": "integer"}},
        RootModel[list[int]].model_json_schema(),
    ],
)
def test_plain_schemas_are_strict_already(schema):
    assert strict_schema(schema) == schema


def test_a_single_all_of_is_unfolded():
    schema = {"allOf": [{"type": "string", "title": "A"}], "title": "B"}
    assert strict_schema(schema) == {"type": "string", "title": "B"}
