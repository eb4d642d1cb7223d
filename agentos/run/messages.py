"""Messages between a run and a model, and their token counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time
from typing import Any, Literal
from uuid import uuid4

from pydantic import ConfigDict, Field

from agentos.run.media import File, Image
from agentos.run.value import Value

Role = Literal["system", "developer", "user", "assistant", "tool"]


class FunctionCall(Value):
    """The function that a model calls. `arguments` is the JSON text from the model, which may be invalid."""

    name: str
    arguments: str = "{}"


class ToolCall(Value):
    """One call requested by a model, in OpenAI's format."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class Metrics(Value):
    """Tokens and seconds; sums add up with `+`."""

    input_tokens: int = 0
    """Tokens sent to the model."""
    output_tokens: int = 0
    """Tokens received from the model."""
    total_tokens: int = 0
    """Input and output tokens."""
    reasoning_tokens: int = 0
    """Output tokens spent on reasoning."""
    cache_read_tokens: int = 0
    """Input tokens that the provider had cached."""
    cache_write_tokens: int = 0
    """Input tokens that the provider added to its cache."""
    time_to_first_token: float | None = None
    """Seconds from the request to the first output."""
    duration: float | None = None
    """Seconds."""

    def __add__(self, other: Metrics) -> Metrics:
        first = self.time_to_first_token
        return Metrics(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            time_to_first_token=other.time_to_first_token if first is None else first,
            duration=(self.duration or 0) + other.duration if other.duration is not None else self.duration,
        )

    def growing(self, before: Metrics, after: Metrics) -> Metrics:
        """These metrics plus the tokens that `after` exceeds `before` by. Times stay unchanged."""
        tokens = [name for name in Metrics.model_fields if name.endswith("_tokens")]
        more = {name: getattr(self, name) + getattr(after, name) - getattr(before, name) for name in tokens}
        return self.model_copy(update=more)


class Message(Value):
    """One entry of a conversation."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(default_factory=lambda: str(uuid4()))
    role: Role
    content: str | None = None
    reasoning_content: str | None = None
    name: str | None = None
    """Of a user message that the runnable itself wrote: what it is. None: the user wrote it."""
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    tool_args: dict[str, Any] | None = None
    tool_call_error: bool | None = None
    images: list[Image] | None = None
    files: list[File] | None = None
    provider_data: dict[str, Any] | None = None
    """Data that the adapter which wrote this message needs to send it back (ids, encrypted reasoning)."""
    metrics: Metrics | None = None
    from_history: bool = False
    """Whether the message is from an earlier run. Such messages aren't stored again."""
    created_at: int = Field(default_factory=lambda: int(time()))

    @property
    def is_question(self) -> bool:
        """Whether the user wrote it."""
        return self.role == "user" and self.name is None


def last_turn(messages: Sequence[Message]) -> tuple[int, Mapping[int, ToolCall]]:
    """Index of the last message that isn't a tool's answer, and its unanswered calls by number.

    -1 without such a message.
    """
    answered: set[str | None] = set()
    for place in reversed(range(len(messages))):
        message = messages[place]
        if message.role != "tool":
            calls = enumerate(message.tool_calls or ())
            return place, {number: call for number, call in calls if call.id not in answered}
        answered.add(message.tool_call_id)
    return -1, {}


class ToolExecution(Value):
    """One tool call of a run, as stored and shown. The fields are the peer's, including nulls."""

    tool_call_id: str
    """The call's id, unique within the run."""
    tool_name: str
    """The tool's name."""
    tool_args: dict[str, Any] | None = None
    """The arguments from the model."""
    tool_call_error: bool | None = None
    """Whether the call failed."""
    result: str | None = None
    """The text that the model receives."""
    metrics: dict[str, float] | None = None
    """`start_time`, `end_time` (epoch seconds) and `duration` (seconds)."""
    child_run_id: str | None = None
    """The nested run that does the call's work; null for other calls, and for those with several."""
    stop_after_tool_call: bool = False
    """Whether the run ends after the call, without another model turn."""
    created_at: int = Field(default_factory=lambda: int(time()))
    """When the model requested the call, in epoch seconds."""
    requires_confirmation: bool | None = None
    """Whether a person must confirm the call."""
    confirmed: bool | None = None
    """The person's decision."""
    confirmation_note: str | None = None
    """The person's reason, which the model receives if the call is refused."""
    requires_user_input: bool | None = None
    """Whether a person must fill in fields."""
    user_input_schema: list[dict[str, Any]] | None = None
    """The fields to fill in, each with `name`, `field_type`, `description` and `value`."""
    user_feedback_schema: list[dict[str, Any]] | None = None
    """Always null; part of the wire contract."""
    answered: bool | None = None
    """Whether the fields are filled in."""
    external_execution_required: bool | None = None
    """Whether the client executes the call and sends the `result`."""
    external_execution_silent: bool | None = None
    """Always null; part of the wire contract."""
    approval_type: str | None = None
    """Kind of approval that the call needs."""
    approval_id: str | None = None
    """The approval that the call waits for."""
    approval_expires_in: float | None = Field(default=None, exclude=True)
    """Seconds that an approver has after the pause. Neither stored with the run nor shown."""
    parent_tool_call_id: str | None = None
    """Always null; part of the wire contract."""

    @property
    def is_for_person(self) -> bool:
        """Whether the call has to do with a person, who may have decided already."""
        return bool(
            self.requires_confirmation or self.requires_user_input or self.external_execution_required
        )

    @property
    def is_waiting(self) -> bool:
        """Whether the call needs human input before it can be made or answered."""
        if self.result is not None:
            return False
        if self.requires_confirmation and self.confirmed is None:
            return True
        if self.confirmed is False:
            return False
        return bool(self.external_execution_required or (self.requires_user_input and not self.answered))
