"""Calls that need human input: what each one waits for, and how the input is applied."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from agentos.errors import InvalidInputError, PayloadTooLargeError
from agentos.run.bounds import JSON_LIMITS
from agentos.run.messages import ToolExecution
from agentos.run.text import json_of
from agentos.tools.result import ToolError
from agentos.tools.tool import Tool

CUT_OFF = (
    "This call was cut off when the server's process ended, and may have taken effect. Confirm to make it "
    "again."
)
"""Note on an interrupted call that a person must check before it is made again."""


def arguments(text: str) -> dict[str, Any] | None:
    """Parses the model's JSON text; None if it isn't an object."""
    try:
        JSON_LIMITS.check(text.encode(errors="replace"))
        value: Any = from_json(text) if text.strip() else {}
    except (ValueError, InvalidInputError, PayloadTooLargeError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] - JSON


def mark(execution: ToolExecution, tool: Tool, text: str, *, approval_id: str) -> None:
    """Marks what the call waits for. A call with invalid arguments isn't marked; the model gets an error."""
    if not tool.needs_person or not _is_sound(tool, text):
        return
    if tool.needs_confirmation:
        execution.requires_confirmation = True
    if tool.requires_user_input:
        execution.requires_user_input = True
        execution.user_input_schema = tool.arguments.questions(tool.asked)
    if tool.external_execution:
        execution.external_execution_required = True
    if tool.approval is not None:
        execution.approval_type = tool.approval.type
        execution.approval_id = approval_id
        execution.approval_expires_in = tool.approval.expires_in


def mark_again(execution: ToolExecution, tool: Tool, *, approval_id: str) -> None:
    """Adds what a tool that was discovered again wants beyond what the call was marked with.

    What was asked for before stays asked for. An agreement of the user's doesn't replace an approver's.
    """
    approval = tool.approval
    if approval is not None and approval.type == "required" and execution.approval_type != "required":
        execution.requires_confirmation, execution.confirmed = True, None
        execution.approval_type = approval.type
        execution.approval_id = approval_id if execution.approval_id is None else f"{approval_id}:required"
        execution.approval_expires_in = approval.expires_in
    if tool.needs_confirmation and not execution.requires_confirmation:
        execution.requires_confirmation = True
    if tool.requires_user_input and not execution.requires_user_input:
        execution.requires_user_input = True
        execution.user_input_schema = tool.arguments.questions(tool.asked)
    if tool.external_execution:
        execution.external_execution_required = True


def ask_again(execution: ToolExecution, tool: Tool) -> None:
    """Makes a call wait again if the tool refuses what a person gave for it. Each such question says why."""
    if not (execution.answered and tool.requires_user_input):
        return
    problems = tool.arguments.problems(json_of(execution.tool_args or {}))
    for question in execution.user_input_schema or []:
        if problem := problems.get(question["name"]):
            question |= {"error": problem, "value": None, "required": True}
            execution.answered = None


def text_of(execution: ToolExecution, written: str) -> str:
    """The arguments for the call. If a person has seen the call, these are the arguments they saw."""
    if execution.tool_args is None or not (execution.requires_confirmation or execution.requires_user_input):
        return written
    return json_of(execution.tool_args)


def cut_off(execution: ToolExecution, tool: Tool | None) -> None:
    """Makes a call wait that may already have taken effect. An earlier confirmation doesn't count again."""
    execution.requires_confirmation = True
    execution.confirmed = None
    execution.confirmation_note = CUT_OFF
    execution.tool_call_error = True
    if execution.approval_id is not None:
        execution.approval_id += ":again"
    if tool is not None and tool.approval is not None:
        execution.approval_expires_in = tool.approval.expires_in


def refusal(execution: ToolExecution) -> str:
    """Answer that the model receives for a rejected call."""
    note = execution.confirmation_note
    if execution.tool_call_error:
        text = "This call was cut off and may or may not have taken effect. It isn't made again."
    else:
        text = "This call was rejected by a person, and wasn't made."
    return text if note in {None, "", CUT_OFF} else f"{text} They say: {note}"


def _is_sound(tool: Tool, text: str) -> bool:
    if tool.requires_user_input:
        return arguments(text) is not None and tool.arguments.problems(text or "{}").keys() <= set(tool.asked)
    try:
        tool.arguments.parse(text)
    except ToolError:
        return False
    return True
