from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, HttpUrl, TypeAdapter

from agentos.models.example import example


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Node(BaseModel):
    name: str
    children: list["Node"]
    parent: "Node | None"


class Order(BaseModel):
    when: datetime
    day: date
    id: UUID
    site: HttpUrl
    size: Size
    pair: tuple[int, str]
    count: int = Field(ge=2, le=4)
    even: int = Field(gt=7, multiple_of=2)
    price: float = Field(gt=0.1, lt=0.2)
    code: str = Field(min_length=20, max_length=22)
    short: str = Field(max_length=3)
    tags: list[str] = Field(min_length=2)
    either: int | str
    maybe: str | None
    kind: Literal["order"]
    free: dict[str, int]
    optional: str = "left out"


KINDS = [
    Order,
    Node,
    int,
    float,
    bool,
    None,
    list[int],
    Size,
    Literal["a"],
    IPv4Address,
    IPv6Address,
    dict[str, int],
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "a large order of 3 things at 0.15 each", "x" * 99])
def test_an_example_fits_its_schema(kind, text):
    adapter = TypeAdapter(kind)
    adapter.validate_python(example(adapter.json_schema(), text))


def test_what_the_text_says_is_used():
    schema = Order.model_json_schema()
    made = example(schema, "a large order of 3 things at 0.15 each")
    assert (made["size"], made["count"], made["price"]) == ("large", 3, 0.15)
    assert "optional" not in made
    assert example(schema, "same") == example(schema, "same")


@pytest.mark.parametrize(
    ("text", "number"),
    [("take 12 of them", 12), ("-3 degrees", -3), ("v2.1 or b4, then 7.", 7), ("none at all", 1)],
)
def test_a_number_is_found_in_words(text, number):
    assert example({"type": "integer"}, text) == number


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#"}, {"$ref": "#/$defs/Missing"}, {"enum": []}, {"anyOf": []}, {"allOf": [{"$ref": "#"}]}],
)
def test_a_schema_without_sense_does_no_harm(schema):
    example(schema, "text")


def test_parts_are_merged():
    both = {"allOf": [{"type": "integer"}, {"minimum": 5}]}
    assert example(both, "") == 5
