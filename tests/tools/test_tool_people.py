"""What tools say of people: which calls wait, for what, and what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any, Literal

import pytest

from agentos.errors import ConfigurationError
from agentos.tools import Tool, Toolkit, approval, idempotency_key, tool
from agentos.tools.toolkit import AgentTools


def send(to: str, subject: str, copies: int = 1, note: str | None = None) -> str:
    """Sends a mail.

    Args:
        to: Whom.
    """
    return f"{to}: {subject}"


def ping() -> str:
    """Does nothing."""
    return "pong"


@pytest.mark.parametrize(
    ("function", "options", "told"),
    [
        (send, {"requires_confirmation": True, "requires_user_input": True}, "one of"),
        (send, {"requires_confirmation": True, "external_execution": True}, "one of"),
        (send, {"user_input_fields": ["to"]}, "requires_user_input=True"),
        (send, {"requires_user_input": True, "user_input_fields": ["from"]}, "'from'"),
        (ping, {"requires_user_input": True}, "no parameters"),
        (ping, {"external_execution": True, "idempotent": False}, "idempotent=False"),
    ],
)
def test_what_makes_no_sense_fails_when_the_tool_is_made(
    function: Callable[..., Any], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        tool(**options)(function)


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({}, False),
        ({"idempotent": False}, False),
        ({"requires_confirmation": True}, True),
        ({"requires_user_input": True, "user_input_fields": ["to"]}, True),
        ({"external_execution": True}, True),
    ],
)
def test_a_tool_knows_whether_its_calls_wait(options: dict[str, Any], waits: bool) -> None:
    assert tool(**options)(send).needs_person is waits


def test_the_model_isnt_told_of_what_a_person_gives() -> None:
    made = tool(requires_user_input=True, user_input_fields=["to", "copies"])(send)
    assert list(made.spec.parameters["properties"]) == ["subject", "note"]
    assert made.spec.parameters["required"] == ["subject"]
    assert list(tool(send).spec.parameters["properties"]) == ["to", "subject", "copies", "note"]
    assert tool(requires_user_input=True)(send).spec.parameters["properties"] == {}


def test_a_person_is_asked_by_name_type_description_and_default() -> None:
    made = tool(requires_user_input=True)(send)
    asked = made.arguments.questions(made.asked)
    assert [each.pop("schema") for each in asked] == [
        {"type": "string"},
        {"type": "string"},
        {"type": "integer"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
    ]
    assert asked == [
        {"name": "to", "field_type": "str", "description": "Whom.", "value": None, "required": True},
        {"name": "subject", "field_type": "str", "description": None, "value": None, "required": True},
        {"name": "copies", "field_type": "int", "description": None, "value": 1, "required": False},
        {"name": "note", "field_type": "str", "description": None, "value": None, "required": False},
    ]


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


class Floor(Enum):
    FIRST = 1
    SECOND = 2


def order(
    size: Size, floor: Floor | None, dough: Literal["thin", "thick"] = "thin", box: Literal["b"] = "b"
): ...


def test_a_person_is_shown_the_choices() -> None:
    made = tool(requires_user_input=True)(order)
    asked = {
        each["name"]: (each["field_type"], each.get("choices"))
        for each in made.arguments.questions(made.asked)
    }
    assert asked == {
        "size": ("str", ["s", "l"]),
        "floor": ("int", [1, 2]),
        "dough": ("str", ["thin", "thick"]),
        "box": ("str", ["b"]),
    }


@pytest.mark.parametrize(
    "made",
    [
        tool(name="mail", requires_confirmation=True)(approval(type="audit", expires_in=60)(send)),
        approval(type="audit", expires_in=60)(tool(name="mail", requires_confirmation=True)(send)),
    ],
    ids=["below", "above"],
)
def test_approval_goes_above_or_below_tool(made: Tool) -> None:
    assert made.approval is not None
    assert (made.name, made.approval.type, made.approval.expires_in) == ("mail", "audit", 60)
    assert made.requires_confirmation
    assert made("bo", "hi") == "bo: hi"


@pytest.mark.parametrize("options", [{}, {"requires_user_input": True}, {"external_execution": True}])
def test_a_required_approval_is_a_confirmation_whatever_else_is_asked(options: dict[str, Any]) -> None:
    assert approval(tool(**options)(send)).needs_confirmation
    assert not tool(**options)(send).needs_confirmation


def test_an_audit_needs_something_to_record() -> None:
    with pytest.raises(ConfigurationError, match="audit"):
        AgentTools([approval(type="audit")(send)])
    assert AgentTools([approval(type="audit")(tool(external_execution=True)(send))])
    assert AgentTools([Toolkit(tools=[approval(type="audit")(send)], requires_confirmation_tools=["send"])])


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_approval_expires_later_than_now(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="expires_in"):
        approval(expires_in=seconds)


def test_a_toolkit_says_which_of_its_tools_wait() -> None:
    kit = Toolkit(
        tools=[send, ping], requires_confirmation_tools=["send"], external_execution_required_tools=["ping"]
    )
    waiting = {
        name: (made.requires_confirmation, made.external_execution) for name, made in kit.tools.items()
    }
    assert waiting == {"send": (True, False), "ping": (False, True)}
    for parameter in ("requires_confirmation_tools", "external_execution_required_tools"):
        with pytest.raises(ConfigurationError, match=parameter):
            Toolkit(tools=[ping], **{parameter: ["send"]})  # type: ignore[arg-type]


def test_outside_of_a_call_there_is_no_key() -> None:
    with pytest.raises(RuntimeError, match="while a tool is being called"):
        idempotency_key()
