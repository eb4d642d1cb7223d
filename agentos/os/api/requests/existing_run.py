"""What a caller may say about a run that is there: how to go on with it, from where to follow it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from agentos.os.api.requests.body import Body
from agentos.os.api_model import ApiModel
from agentos.os.http.field_types import Id, JsonObject, Text
from agentos.runner.branches import Point

MAX_SEQ = 2**31 - 1
MAX_ANSWERS = 100
"""Calls that one request may decide about."""


class Answer(ApiModel):
    """One of a paused run's `requirements`, filled in."""

    tool_execution: JsonObject
    """The call, with what it waits for."""
    member_run_id: Id | None = None
    """The nested run that the call is of."""

    @property
    def call(self) -> dict[str, Any]:
        """The call, and whose it is."""
        if self.member_run_id is None:
            return self.tool_execution
        return {**self.tool_execution, "member_run_id": self.member_run_id}


class ContinueBody(Body):
    """How to go on with a run. In forms, arrays and objects are JSON text.

    A paused run goes on with the decisions in `tools` or `requirements`. `input`, `continue_from`, `fork` and
    `regenerate` begin a new run with what was said in this one, which stays as it is.
    """

    as_json: ClassVar[frozenset[str]] = frozenset({"tools", "requirements", "dependencies"})

    tools: list[JsonObject] = Field(default_factory=list[dict[str, Any]], max_length=MAX_ANSWERS)
    """The paused run's tools with `confirmed`, `confirmation_note`, `result` or the values in
    `user_input_schema` filled in. Nothing else of them is read, their arguments least of all."""
    requirements: list[Answer] = Field(default_factory=list[Answer], max_length=MAX_ANSWERS)
    """The same, as the run's `requirements` have them."""
    input: Text | None = Field(default=None, min_length=1)
    """What the user says next; with `continue_from=last_user`, instead."""
    continue_from: Point = "end"
    """How much of the conversation to keep: all, up to the user's last message, or its first messages."""
    fork: bool = False
    """Begin a new run with what was said in this one, also without `input`."""
    regenerate: bool = False
    """Answer the same question anew."""
    replace_original: bool | None = None
    """False: a regenerated answer doesn't take the place of the first."""
    additional_instructions: Text | None = Field(default=None, min_length=1)
    """What a regenerated answer must also heed."""
    dependencies: JsonObject | None = None
    """Values for the agent's instructions and tools, by name."""
    session_id: Id | None = None
    """The run's session; a run of another one isn't found."""
    user_id: Id | None = None
    """Whose run it is, unless a token says so."""
    stream: bool = True
    """Server-sent events; otherwise the answer comes in one piece."""
    stream_events: bool = True
    """False leaves only the pieces of the answer."""
    background: bool = False
    """Queued, and executed by any process; unless it is streamed, the answer is 202 with the run's id."""

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What is decided, call by call."""
        return [*self.tools, *(each.call for each in self.requirements)]


class ResumeBody(Body):
    """From where to follow a run."""

    last_event_index: int | None = Field(default=None, ge=-1, lt=MAX_SEQ)
    """The `event_index` of the last event seen; events behind it follow. Without it, all."""
    session_id: Id | None = None
    """The run's session; a run of another one isn't found."""
    user_id: Id | None = None
    """Whose run it is, unless a token says so."""
    stream_events: bool = True
    """False leaves only the pieces of the answer."""
