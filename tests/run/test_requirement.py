"""What a person says to a waiting call, and how little of it is taken."""

from __future__ import annotations

from typing import Any

import pytest

from agentos.errors import ConflictError, InvalidInputError
from agentos.run.messages import ToolExecution
from agentos.run.records import RunOutput, RunStatus
from agentos.run.requirement import RunRequirement, decided

QUESTIONS = [
    {"name": "to", "field_type": "str", "description": None, "value": None, "required": True},
    {"name": "note", "field_type": "str", "description": None, "value": None, "required": False},
]


def waiting(call_id: str = "c", **fields: Any) -> ToolExecution:
    return ToolExecution(tool_call_id=call_id, tool_name="send", tool_args={"n": 1}, **fields)


def confirmable(call_id: str = "c", **fields: Any) -> ToolExecution:
    return waiting(call_id, requires_confirmation=True, **fields)


def asking(call_id: str = "c") -> ToolExecution:
    schema = [dict(question) for question in QUESTIONS]
    return waiting(call_id, requires_user_input=True, user_input_schema=schema)


def external(call_id: str = "c", **fields: Any) -> ToolExecution:
    return waiting(call_id, external_execution_required=True, **fields)


def paused(*tools: ToolExecution) -> RunOutput:
    run = RunOutput(run_id="r", kind="agent", runnable_id="a", session_id="s", status=RunStatus.PAUSED)
    run.tools.extend(tools)
    return run


def test_each_requirement_takes_its_own_answer_and_no_other() -> None:
    for tool, needs in (
        (confirmable(), "confirmation"),
        (asking(), "user_input"),
        (external(), "external_execution"),
    ):
        requirement = RunRequirement(tool_execution=tool)
        flags = {
            "confirmation": requirement.needs_confirmation,
            "user_input": requirement.needs_user_input,
            "external_execution": requirement.needs_external_execution,
        }
        assert flags == {kind: kind == needs for kind in flags}
        assert requirement.pause_type == needs
        answers = {
            "confirmation": requirement.confirm,
            "user_input": lambda r=requirement: r.provide_user_input({"to": "bo"}),
            "external_execution": lambda r=requirement: r.set_external_execution_result("done"),
        }
        for kind, answer in answers.items():
            if kind != needs:
                with pytest.raises(ConflictError):
                    answer()
        assert not requirement.is_resolved
        answers[needs]()
        assert requirement.is_resolved


def test_a_rejection_keeps_its_note() -> None:
    requirement = RunRequirement(tool_execution=confirmable())
    requirement.reject("Not today.")
    assert requirement.is_resolved
    assert (requirement.tool_execution.confirmed, requirement.tool_execution.confirmation_note) == (
        False, "Not today.",
    )  # fmt: skip


def test_input_is_taken_for_the_fields_asked_for() -> None:
    requirement = RunRequirement(tool_execution=asking())
    with pytest.raises(InvalidInputError, match="'n'"):
        requirement.provide_user_input({"n": 2})
    requirement.provide_user_input({"note": "x"})
    assert requirement.needs_user_input, "a required field is open"
    requirement.provide_user_input({"to": "bo"})
    assert [field["value"] for field in requirement.user_input_schema] == ["bo", "x"]
    assert requirement.is_resolved


def test_a_requirement_is_shown_with_its_id_and_read_back() -> None:
    requirement = RunRequirement(tool_execution=confirmable(created_at=7))
    shown = requirement.model_dump(mode="json")
    assert (shown["id"], shown["created_at"], shown["tool_execution"]["tool_name"]) == ("c", 7, "send")
    assert RunRequirement.model_validate(shown) == requirement


@pytest.mark.parametrize(
    ("tool", "answer", "field", "value"),
    [
        (confirmable(), {"confirmed": True}, "confirmed", True),
        (confirmable(), {"confirmed": False, "confirmation_note": "no"}, "confirmation_note", "no"),
        (external(), {"result": "done\0"}, "result", "done\ufffd"),
        (asking(), {"user_input_schema": [{"name": "to", "value": "bo"}]}, "answered", True),
    ],
)
def test_decisions_are_merged_into_a_copy(
    tool: ToolExecution, answer: dict[str, Any], field: str, value: object
) -> None:
    run = paused(tool)
    merged = decided(run, [{"tool_call_id": "c", **answer}])
    assert merged.tools[0].model_dump()[field] == value
    assert merged.active_requirements == []
    assert run.active_requirements != [], "the stored run is left as it is"


def test_arguments_and_names_come_from_the_store() -> None:
    answer = {
        "tool_call_id": "c",
        "tool_name": "rm",
        "tool_args": {"n": 99},
        "confirmed": True,
        "result": "x",
    }
    tool = decided(paused(confirmable()), [answer]).tools[0]
    assert (tool.tool_name, tool.tool_args, tool.result) == ("send", {"n": 1}, None)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([], "'confirmed' for the call 'c' of send"),
        ([{"tool_call_id": "c"}], "'confirmed'"),
        ([{"tool_call_id": "c", "result": "x"}], "'confirmed'"),
        ([{"tool_call_id": "other", "confirmed": True}], "no call 'other'"),
        ([{"confirmed": True}], "no call None"),
        ([{"tool_call_id": 3}], "a string"),
        ([{"tool_call_id": "c", "confirmed": "yes"}], "true or false"),
        ([{"tool_call_id": "c", "confirmed": 1}], "true or false"),
        ([{"tool_call_id": "c", "confirmed": True, "confirmation_note": 3}], "a string"),
        ([{"tool_call_id": "c", "confirmed": True}] * 2, "twice"),
        (["c"], "objects"),
    ],
)
def test_what_isnt_a_decision_is_refused(answers: list[object], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        decided(paused(confirmable()), answers)


@pytest.mark.parametrize("fields", ["to", ["to"], [{"name": 1}], [{"name": "n", "value": 1}], [{"value": 1}]])
def test_input_of_the_wrong_shape_is_refused(fields: object) -> None:
    with pytest.raises(InvalidInputError):
        decided(paused(asking()), [{"tool_call_id": "c", "user_input_schema": fields}])


def test_an_echo_of_the_paused_run_decides_nothing() -> None:
    run = paused(confirmable("a"), asking("b"), external("c"))
    with pytest.raises(InvalidInputError, match=r"'confirmed'.*values of to .*a 'result'"):
        decided(run, [tool.model_dump() for tool in run.tools])


def test_what_nobody_decided_stays_waiting_and_what_is_over_stays_over() -> None:
    done = waiting("done", requires_confirmation=True, confirmed=True, result="ok")
    run = paused(done, confirmable("a"), confirmable("b"))
    answers = [{"tool_call_id": "a", "confirmed": True}, {"tool_call_id": "done", "confirmed": False}]
    merged = decided(run, answers)
    assert [each.id for each in merged.active_requirements] == ["b"]
    assert merged.tools[0] == done


@pytest.mark.parametrize("verdict", [True, False])
def test_an_approval_is_the_approvers_word_and_not_the_clients(verdict: bool) -> None:
    run = paused(confirmable(approval_type="required", approval_id="c"))
    answers = [{"tool_call_id": "c", "confirmed": not verdict}]
    for approved in ({}, {"c": None}):
        with pytest.raises(InvalidInputError, match="an approval"):
            decided(run, answers, approved=approved)
    assert decided(run, answers, approved={"c": verdict}).tools[0].confirmed is verdict
    assert decided(run, [], approved={"c": verdict}).tools[0].confirmed is verdict


def test_an_audited_call_is_the_clients_to_decide() -> None:
    run = paused(confirmable(approval_type="audit"))
    assert decided(run, [{"tool_call_id": "c", "confirmed": True}]).tools[0].confirmed


@pytest.mark.parametrize(("approved", "taken"), [({}, None), ({"c": False}, None), ({"c": True}, "done")])
def test_a_result_from_elsewhere_waits_for_its_approval(
    approved: dict[str, bool | None], taken: str | None
) -> None:
    run = paused(
        external(requires_confirmation=True, approval_type="required", approval_id="c"), confirmable("d")
    )
    answers = [{"tool_call_id": "c", "result": "done"}, {"tool_call_id": "d", "confirmed": True}]
    assert decided(run, answers, approved=approved).tools[0].result == taken
