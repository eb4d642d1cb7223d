"""Request bodies about existing runs: continuing and following them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from agentos.os.api.requests.events import AnsweredBody, EventsBody
from agentos.os.api_model import ApiModel
from agentos.os.http.field_types import Id, JsonObject, PathId, Text
from agentos.runner.branches import Point

MAX_SEQ = 2**31 - 1
MAX_ANSWERS = 100
"""Calls that one request may decide."""


class Answer(ApiModel):
    """A completed entry of a paused run's `requirements`."""

    tool_execution: JsonObject
    """The call, with the input that it waits for."""
    member_run_id: Id | None = None
    """The nested run that made the call."""

    @property
    def call(self) -> dict[str, Any]:
        """The call, and the nested run that made it."""
        if self.member_run_id is None:
            return self.tool_execution
        return {**self.tool_execution, "member_run_id": self.member_run_id}


class ContinueBody(AnsweredBody):
    """How to continue a run. In forms, arrays and objects are JSON text.

    A paused run continues with the decisions in `tools` or `requirements`. `input`, `continue_from`, `fork`
    and `regenerate` start a new run from this one's conversation; this run stays unchanged.
    """

    as_json: ClassVar[frozenset[str]] = frozenset({"tools", "requirements", "dependencies"})

    tools: list[JsonObject] = Field(default_factory=list[dict[str, Any]], max_length=MAX_ANSWERS)
    """The paused run's tools, with `confirmed`, `confirmation_note`, `result` or the values in
    `user_input_schema` filled in. Other fields are ignored, including the arguments."""
    requirements: list[Answer] = Field(default_factory=list[Answer], max_length=MAX_ANSWERS)
    """The same decisions in the format of the run's `requirements`."""
    input: Text | None = Field(default=None, min_length=1)
    """The user's next message. With `continue_from=last_user` it replaces the user's last message."""
    continue_from: Point = "end"
    """How much of the conversation to keep: all, up to the user's last message, or a number of messages."""
    fork: bool = False
    """Start a new run from this one's conversation, even without `input`."""
    regenerate: bool = False
    """Answer the same question again."""
    replace_original: bool | None = None
    """False: the regenerated answer doesn't replace the original one."""
    additional_instructions: Text | None = Field(default=None, min_length=1)
    """Additional instructions for the regenerated answer."""
    dependencies: JsonObject | None = None
    """Values for the agent's instructions and tools, by name."""
    session_id: PathId | None = None
    """The run's session. A run of another session isn't found."""
    user_id: Id | None = None
    """The run's user, if the request has no token."""

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The decisions, one per call."""
        return [*self.tools, *(each.call for each in self.requirements)]


class ResumeBody(EventsBody):
    """Where to start following a run."""

    last_event_index: int | None = Field(default=None, ge=-1, lt=MAX_SEQ)
    """`event_index` of the last event received; later events follow. If omitted, all events."""
    session_id: PathId | None = None
    """The run's session. A run of another session isn't found."""
    user_id: Id | None = None
    """The run's user, if the request has no token."""
