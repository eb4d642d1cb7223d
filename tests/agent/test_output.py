"""Structured answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, RootModel
from typing_extensions import TypedDict

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.errors import ConfigurationError
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.agent.models import scripted


class City(BaseModel):
    name: str
    people: int


ROME = '{"name": "Rome", "people": 3}'


@pytest.mark.parametrize(
    "text",
    [
        ROME,
        f"```json\n{ROME}\n```",
        f"```JSON\n{ROME}\n```",
        f"```\n{ROME}```",
        f"Here you are:\n```json\n{ROME}\n```",
        f"```json\n{ROME}\n```\nAnything else?",
        f"<think>Is it {{big}}?</think>\n{ROME}",
        f'```json\n{ROME[:-1]}, "code": "```js\\nx\\n```"}}\n```',
        f"The answer is {ROME}.",
        '{"name": "Rome", "people": 3, "note": "```json\\n{}```"}',
    ],
)
async def test_the_answer_is_an_instance_of_the_class(text: str) -> None:
    model, requests = scripted(text)
    run = await Agent(model=model, output_schema=City).arun("Rome?")
    assert run.content == City(name="Rome", people=3)
    assert run.content_type == "City"
    assert requests[0].response_format is not None
    assert requests[0].response_format.name == "City"


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Cities(RootModel[list[City]]):
    pass


@dataclass
class Point:
    x: int


class Movie(TypedDict):
    title: str


VALUES = {
    "a list": (list[City], f"[{ROME}]", [City(name="Rome", people=3)], "list[City]"),
    "a root model": (Cities, f"[{ROME}]", Cities([City(name="Rome", people=3)]), "Cities"),
    "a recursive class": (Node, '{"name": "a", "children": [{"name": "b"}]}', None, "Node"),
    "a dataclass": (Point, '{"x": 1}', Point(1), "Point"),
    "a TypedDict": (Movie, '{"title": "M"}', {"title": "M"}, "Movie"),
    "a union": (City | Point, '{"x": 1}', Point(1), None),
    "a number": (int, "7", 7, "int"),
    "a JSON schema of an array": ({"type": "array", "items": {"type": "integer"}}, "[1]", [1], "dict"),
}


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("name", VALUES)
async def test_any_type_may_be_asked_for(name: str, wrapped: bool) -> None:
    """Providers take objects only: what isn't one is sent in one, and models may forget that."""
    schema, text, value, content_type = VALUES[name]
    is_object = schema in (Node, Point, Movie)
    said = f'{{"value": {text}}}' if wrapped and not is_object else text
    model, requests = scripted(said, said)
    for run in [
        await Agent(model=model, output_schema=schema).arun("?"),
        await Agent(model=model).arun("?", output_schema=schema),
    ]:
        assert run.status is RunStatus.COMPLETED, run.content
        assert value is None or run.content == value
        assert content_type is None or run.content_type == content_type
    asked = requests[0].response_format
    assert asked is not None
    assert asked.schema["type"] == "object"
    assert "$ref" not in asked.schema


@pytest.mark.parametrize("schema", [object(), "City", lambda: None, Callable[[int], int]])
def test_what_has_no_schema_is_refused_at_once(schema: object) -> None:
    with pytest.raises(ConfigurationError, match=r"output_schema=.* is invalid"):
        Agent(model=scripted("")[0], output_schema=schema)


@pytest.mark.parametrize(
    "wrong",
    [
        "Rome is big.",
        f"{ROME} or {ROME}",
        f"Either {ROME} or {ROME}.",
        f"One {{ and {ROME}",
        f"I refuse. The example {ROME} would be wrong",
        f"No. ```json\n{ROME}\n``` isn't it",
        '{"name": "Rome"}',
        '{"name": "Rome", "people": "many"}',
    ],
)
async def test_a_misfit_is_sent_back_once_and_then_fails(wrong: str) -> None:
    model, requests = scripted(wrong, '{"name": "Rome", "people": 3}')
    run = await Agent(model=model, output_schema=City).arun("Rome?")
    assert run.content == City(name="Rome", people=3)
    assert requests[1].messages[-1].role == "user"
    model, _ = scripted(wrong, wrong)
    run = await Agent(model=model, output_schema=City).arun("Rome?")
    assert (run.status, run.error_type) == (RunStatus.ERROR, "output_invalid")


async def test_a_plain_schema_gives_plain_data() -> None:
    model, requests = scripted('{"x": 1}')
    schema = {"title": "Point", "type": "object", "properties": {"x": {"type": "integer"}}}
    run = await Agent(model=model).arun("x?", output_schema=schema)
    assert (run.content, run.content_type) == ({"x": 1}, "dict")
    assert requests[0].response_format is not None
    assert requests[0].response_format.schema == schema


async def test_a_structured_answer_is_stored_as_data(db: Db) -> None:
    model, _ = scripted('{"name": "Rome", "people": 3}')
    run = await Agent(model=model, db=db, output_schema=City).arun("Rome?")
    stored = await db.get_run(run.run_id, owner=ANYONE)
    assert stored is not None
    assert (stored.content, stored.content_type) == ({"name": "Rome", "people": 3}, "City")
