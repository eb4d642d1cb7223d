"""What a paused run waits for, and the answers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pydantic import computed_field

from agentos.errors import ConflictError, InvalidInputError
from agentos.run.messages import ToolExecution
from agentos.run.text import mended
from agentos.run.user_input import taken
from agentos.run.value import Value

if TYPE_CHECKING:
    from agentos.run.records import RunOutput

T = TypeVar("T")

PauseType = Literal["confirmation", "user_input", "external_execution"]
_Call = tuple[str | None, str]
"""The nested run (None for the run itself) and the id of a call."""
ApprovalType = Literal["required", "audit"]
"""Whether a call waits for an approver, or the decision of the run's user is only recorded."""


class RunRequirement(Value):
    """One call that waits for a person. Its methods change the call; pass it to `continue_run` afterwards.

    Each raises ConflictError if the call doesn't wait for that.
    """

    tool_execution: ToolExecution
    """The call."""
    member_run_id: str | None = None
    """The nested run that waits; None for the run itself."""
    member_agent_id: str | None = None
    """The id of the nested run's runnable."""
    member_agent_name: str | None = None
    """The name of that runnable."""

    def shown(self, *, mode: Literal["json", "python"] = "python") -> dict[str, Any]:
        """The format on the wire, without the fields of a nested run if there is none."""
        members = {"member_run_id", "member_agent_id", "member_agent_name"}
        absent = {name for name in members if getattr(self, name) is None}
        return self.model_dump(mode=mode, exclude=absent)

    @computed_field
    @property
    def id(self) -> str:
        """The id of the call, which waits for one thing at a time."""
        return self.tool_execution.tool_call_id

    @computed_field
    @property
    def created_at(self) -> int:
        """When the model requested the call, in epoch seconds."""
        return self.tool_execution.created_at

    @property
    def pause_type(self) -> PauseType:
        """The kind of input that is needed."""
        if self.tool_execution.external_execution_required:
            return "external_execution"
        return "user_input" if self.tool_execution.requires_user_input else "confirmation"

    @property
    def needs_confirmation(self) -> bool:
        """Whether the call needs confirmation."""
        return bool(self.tool_execution.requires_confirmation) and self.tool_execution.confirmed is None

    @property
    def needs_user_input(self) -> bool:
        """Whether arguments are missing that a person must give."""
        return self._is_wanted and bool(
            self.tool_execution.requires_user_input and not self.tool_execution.answered
        )

    @property
    def needs_external_execution(self) -> bool:
        """Whether the result of an external call is missing."""
        return self._is_wanted and bool(self.tool_execution.external_execution_required)

    @property
    def user_input_schema(self) -> list[dict[str, Any]]:
        """The arguments to ask for: `name`, `field_type`, `description`, `value`, `required` and `schema`.

        Some have `choices`, and `error` if the tool refused the last value.
        """
        return self.tool_execution.user_input_schema or []

    @property
    def is_resolved(self) -> bool:
        """Whether the call has all its input."""
        return not self.tool_execution.is_waiting

    def confirm(self) -> None:
        """Confirms the call."""
        self._expect(self.needs_confirmation, "confirmation")
        self.tool_execution.confirmed = True

    def reject(self, note: str | None = None) -> None:
        """Rejects the call; the model receives `note`."""
        self._expect(self.needs_confirmation, "confirmation")
        self.tool_execution.confirmed = False
        if note is not None:
            self.tool_execution.confirmation_note = mended(note)

    def provide_user_input(self, values: Mapping[str, Any]) -> None:
        """Sets arguments by name. InvalidInputError names one that isn't asked for or doesn't fit.

        Then none of them is set.
        """
        self._expect(self.needs_user_input, "user input")
        filled = self.tool_execution.model_copy(deep=True)
        _fill(filled, values)
        for name in ("user_input_schema", "answered", "tool_args"):
            setattr(self.tool_execution, name, getattr(filled, name))

    def set_external_execution_result(self, result: str) -> None:
        """Sets the result of an external call."""
        self._expect(self.needs_external_execution, "a result from elsewhere")
        self._expect(not self.needs_confirmation, "a result before it is confirmed")
        self.tool_execution.result = mended(result)

    @property
    def _is_wanted(self) -> bool:
        return self.tool_execution.result is None and self.tool_execution.confirmed is not False

    def _expect(self, waits: bool, what: str) -> None:
        if not waits:
            raise ConflictError(f"The call {self.id!r} doesn't wait for {what}.")


def decided(
    run: RunOutput,
    answers: Sequence[object],
    *,
    approved: Mapping[str, bool | None] | None = None,
) -> RunOutput:
    """A copy of the stored run with decisions from a client and approvers applied to its waiting calls.

    `answers` are the paused run's tools with `confirmed`, `confirmation_note`, `result` or the values in
    `user_input_schema` filled in; those of nested runs have `member_run_id`. Only the input that a call waits
    for is read. `approved`, by `approval_id`, applies to the calls whose `approval_type` is "required"; a
    client's `confirmed` doesn't. Undecided calls keep waiting; InvalidInputError if nothing is decided,
    ConflictError if two waiting calls have one id.
    """
    tools = [tool.model_copy(deep=True) for tool in run.tools]
    nested = {
        child: [each.model_copy(deep=True) for each in requirements]
        for child, requirements in run.child_requirements.items()
    }
    every: list[tuple[_Call, ToolExecution]] = [((None, tool.tool_call_id), tool) for tool in tools]
    for requirements in nested.values():
        every += [((each.member_run_id, each.id), each.tool_execution) for each in requirements]
    undecided = [tool for _, tool in every if tool.is_waiting]
    waiting = {call: tool for call, tool in every if tool.is_waiting}
    if len(waiting) < len(undecided):
        raise ConflictError(
            "Two waiting calls have one id, so nobody can say which is meant: cancel the run."
        )
    before = [tool.model_copy(deep=True) for tool in undecided]
    for tool in undecided:
        if tool.approval_type == "required" and tool.approval_id is not None:
            tool.confirmed = (approved or {}).get(tool.approval_id)
    seen = set[_Call]()
    for answer in map(_object, answers):
        call = _named(answer, [call for call, _ in every])
        if call in seen:
            raise InvalidInputError(f"The call {call[1]!r} is answered twice.", field="tools")
        seen.add(call)
        if call in waiting:
            _decide(waiting[call], answer)
    if before == undecided:
        missing = "; ".join(_missing(tool) for tool in before) or "nothing: it doesn't wait for anybody"
        raise InvalidInputError(f"The run waits for {missing}.", field="tools")
    return run.model_copy(update={"tools": tools, "child_requirements": nested})


def _named(answer: Mapping[str, Any], calls: Sequence[_Call]) -> _Call:
    """The call that an answer belongs to. For a nested run's call, the id is enough if it is unique."""
    call_id, member = _field(answer, "tool_call_id", str), _field(answer, "member_run_id", str)
    named = {call for call in calls if call[1] == call_id and (member is None or call[0] == member)}
    own = [call for call in named if call[0] is None]
    if own or len(named) == 1:
        return (own or list(named))[0]
    if named:
        raise InvalidInputError(
            f"Several nested runs have a call {call_id!r}: say which in member_run_id.", field="requirements"
        )
    raise InvalidInputError(f"The run has no call {call_id!r}: send its own tools.", field="tools")


def _decide(tool: ToolExecution, answer: Mapping[str, Any]) -> None:
    if tool.requires_confirmation and tool.confirmed is None and tool.approval_type != "required":
        tool.confirmed = _field(answer, "confirmed", bool)
        note = _field(answer, "confirmation_note", str)
        if tool.confirmed is not None and note is not None:
            tool.confirmation_note = mended(note)
    fields = answer.get("user_input_schema")
    if tool.requires_user_input and not tool.answered and fields is not None:
        _fill(tool, _values(fields))
    may_be_done = not tool.requires_confirmation or tool.confirmed
    if tool.external_execution_required and may_be_done:
        result = _field(answer, "result", str)
        tool.result = None if result is None else mended(result)


def _fill(tool: ToolExecution, values: Mapping[str, Any]) -> None:
    questions = {question["name"]: question for question in tool.user_input_schema or []}
    for name, value in values.items():
        if name not in questions:
            asked = ", ".join(questions)
            raise InvalidInputError(
                f"The call {tool.tool_call_id!r} doesn't ask for {name!r}, only for {asked}.",
                field="user_input_schema",
            )
        if value is not None:
            questions[name]["value"] = _taken(tool, questions[name], value)
            questions[name].pop("error", None)
    tool.answered = True if not any(map(_is_open, questions.values())) else None
    if tool.answered:  # from here on they are the call's arguments, also for those who must agree to it
        given = {name: each["value"] for name, each in questions.items() if each.get("value") is not None}
        kept = {name: value for name, value in (tool.tool_args or {}).items() if name not in questions}
        tool.tool_args = kept | given


def _taken(tool: ToolExecution, question: Mapping[str, Any], value: object) -> Any:
    try:
        return taken(value, question.get("schema", {}))
    except ValueError as error:
        raise InvalidInputError(
            f"The call {tool.tool_call_id!r} can't take this value of {question['name']!r}. {error}.",
            field="user_input_schema",
        ) from error


def _is_open(question: Mapping[str, Any]) -> bool:
    return question.get("value") is None and question.get("required", True)


def _values(fields: object) -> dict[str, Any]:
    if not isinstance(fields, list):
        raise InvalidInputError("'user_input_schema' of a call must be a list.", field="user_input_schema")
    given = [_object(field) for field in cast("list[object]", fields)]
    return {_field(field, "name", str) or "": field.get("value") for field in given}


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInputError("Calls, and the fields that they ask for, are objects.", field="tools")
    return cast("Mapping[str, Any]", value)


def _field(answer: Mapping[str, Any], name: str, wanted: type[T]) -> T | None:
    value = answer.get(name)
    if value is None or isinstance(value, wanted):
        return value
    raise InvalidInputError(f"{name!r} of a call must be {_NAMES[wanted]}.", field=name)


_NAMES: dict[type, str] = {str: "a string", bool: "true or false"}


def _missing(tool: ToolExecution) -> str:
    requirement = RunRequirement(tool_execution=tool)
    if requirement.needs_confirmation and tool.approval_type == "required":
        what = "an approval"
    elif requirement.needs_confirmation:
        what = "'confirmed'"
    elif requirement.needs_user_input:
        names = [question["name"] for question in requirement.user_input_schema if _is_open(question)]
        what = f"values of {', '.join(names)} in 'user_input_schema'"
    else:
        what = "a 'result'"
    return f"{what} for the call {tool.tool_call_id!r} of {tool.tool_name}"
