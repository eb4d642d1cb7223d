"""What people say is checked against the schema of what was asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from agentos.run.user_input import taken
from agentos.tools import Tool


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Place(BaseModel):
    floor: int
    inner: Place | None = None


def number(a: int): ...
def bounded(a: Annotated[int, Field(ge=1, le=5)]): ...
def real(a: float | None = None): ...
def flag(a: bool): ...
def text(a: Annotated[str, Field(min_length=2, pattern="^[a-z]+$")]): ...
def looking(a: str = Field(json_schema_extra={"pattern": "^(?=a)"})): ...
def day(a: date): ...
def size(a: Size): ...
def letter(a: Literal["x", "y"]): ...
def numbers(a: Annotated[list[int], Field(max_length=2)]): ...
def place(a: Place): ...
def anything(a): ...


@pytest.mark.parametrize(
    ("function", "value", "kept"),
    [
        (number, 3, 3),
        (number, "3", 3),
        (bounded, 5, 5),
        (real, "0.5", 0.5),
        (flag, "yes", True),
        (text, "ab", "ab"),
        (looking, "b", "b"),
        (day, "2026-11-26", "2026-11-26"),
        (size, "s", "s"),
        (letter, "y", "y"),
        (numbers, ["1", 2], [1, 2]),
        (place, {"floor": 1}, {"floor": 1}),
        (anything, {"any": ["thing"]}, {"any": ["thing"]}),
    ],
)
def test_a_value_that_fits_is_kept_as_its_type(function: Callable[..., Any], value: Any, kept: Any) -> None:
    (question,) = Tool.of(function).arguments.questions(["a"])
    assert taken(value, question["schema"]) == kept


@pytest.mark.parametrize(
    ("function", "value", "told"),
    [
        (number, "three", "valid integer"),
        (number, 3.5, "valid integer"),
        (bounded, 6, "less than or equal to 5"),
        (real, "much", "valid number"),
        (flag, "perhaps", "valid boolean"),
        (text, "a", "at least 2 characters"),
        (text, "AB", "match pattern"),
        (text, 5, "valid string"),
        (day, "tomorrow", "valid date"),
        (size, "m", "'s' or 'l'"),
        (letter, "z", "'x' or 'y'"),
        (numbers, ["one"], "valid integer"),
        (numbers, [1, 2, 3], "at most 2 items"),
        (place, "here", "valid dictionary"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(function: Callable[..., Any], value: Any, told: str) -> None:
    (question,) = Tool.of(function).arguments.questions(["a"])
    with pytest.raises(ValueError, match=told):
        taken(value, question["schema"])
