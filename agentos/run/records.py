"""Records: session, run and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain
from time import time
from typing import Any

from pydantic import Field

from agentos.kinds import Kind
from agentos.run.media import File, Image, Media
from agentos.run.messages import Message, Metrics, ToolExecution
from agentos.run.requirement import RunRequirement
from agentos.run.value import Value

Json = dict[str, Any]


class RunStatus(StrEnum):
    """Status of a run, with the names of the wire contract."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"
    REGENERATED = "REGENERATED"
    """It had completed, and another answer has replaced it. It is kept, but not part of the history."""

    @property
    def is_final(self) -> bool:
        """Whether the run has finished."""
        return self not in {RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED}


class RunInput(Value):
    """The caller's input."""

    input_content: str
    images: list[Image] | None = None
    files: list[File] | None = None


def media_of(given: RunInput | None, messages: Sequence[Message]) -> Iterator[Media]:
    """What is attached to the input and the messages; the same object perhaps twice."""
    for holder in chain([given] if given else [], messages):
        yield from holder.images or ()
        yield from holder.files or ()


class RunOutput(Value):
    """The record of one run: input, result and metrics. It grows while the run executes."""

    run_id: str
    kind: Kind
    """The kind of the runnable."""
    runnable_id: str
    """The runnable's id: `agent_id`, `team_id` or `workflow_id` on the wire, depending on `kind`."""
    runnable_name: str | None = None
    session_id: str
    parent_run_id: str | None = None
    """The run that this one is nested in; None for a root run."""
    root_run_id: str | None = None
    """The run at the top; None for a root run itself."""
    depth: int | None = None
    """Number of runs above it; None is 0."""
    user_id: str | None = None
    content: Any = None
    """Text, or for a structured answer the parsed object, whose class `content_type` names."""
    content_type: str = "str"
    reasoning_content: str | None = None
    model: str | None = None
    model_provider: str | None = None
    model_provider_data: Json | None = None
    session_state: Json | None = None
    created_at: int = Field(default_factory=lambda: int(time()))
    """Epoch seconds."""
    status: RunStatus = RunStatus.PENDING
    error_type: str | None = None
    """The stable code of the error, if `status` is ERROR."""
    error_id: str | None = None
    """Also in the server's log, next to the cause of the error."""
    metrics: Metrics | None = None
    messages: list[Message] = Field(default_factory=list[Message])
    """Messages of this run, without the history."""
    tools: list[ToolExecution] = Field(default_factory=list[ToolExecution])
    metadata: Json | None = None
    input: RunInput | None = None
    forked_from_run_id: str | None = None
    """The run from which this one was forked."""
    regenerated_from: str | None = None
    """The run whose question this one answers again."""
    child_requirements: dict[str, list[RunRequirement]] = Field(
        default_factory=dict[str, list[RunRequirement]], exclude=True
    )
    """By nested run: what it and the runs below it waited for at the pause, with decisions so far."""
    child_metrics: dict[str, Metrics] = Field(default_factory=dict[str, Metrics], exclude=True)
    """The share of `metrics` of each nested run."""
    last_seq: int | None = Field(default=None, exclude=True)
    """`seq` of the last event when the run last stopped; None for a nested run, whose root counts."""
    steps: list[Json] = Field(default_factory=list[Json], exclude=True)
    """When its steps ran, as written by `runner.execution.timeline`."""
    children: list[RunOutput] = Field(default_factory=list["RunOutput"], exclude=True)
    """Nested runs executed or opened by this process. In the database each has its own row."""

    @property
    def active_requirements(self) -> list[RunRequirement]:
        """What the run waits for. If empty, it can continue."""
        own = [RunRequirement(tool_execution=tool) for tool in self.tools if tool.is_waiting]
        nested = [each for requirements in self.child_requirements.values() for each in requirements]
        return own + [each for each in nested if not each.is_resolved]

    @property
    def requirements(self) -> list[RunRequirement]:
        """What the run has paused for, also what is decided by now."""
        answered = {message.tool_call_id for message in self.messages}
        asked = [tool for tool in self.tools if tool.is_for_person and tool.tool_call_id not in answered]
        nested = [each for requirements in self.child_requirements.values() for each in requirements]
        return [*(RunRequirement(tool_execution=tool) for tool in asked), *nested]

    @property
    def is_paused(self) -> bool:
        """Whether the run waits for a person."""
        return self.status is RunStatus.PAUSED


class Participant(Value):
    """A runnable that takes part in a session."""

    kind: Kind
    id: str


class Session(Value):
    """A conversation of one user, with one runnable or several."""

    session_id: str
    """Unique among the sessions of its user."""
    kind: Kind
    """The kind of the runnable that began it."""
    runnable_id: str | None = None
    """The runnable that began it. None: nothing has run in it."""
    joined: list[Participant] = Field(default_factory=list[Participant])
    """Runnables that joined it later, in order."""
    user_id: str | None = None
    session_name: str | None = None
    """The name that was set; without one, `title` is shown."""
    title: str | None = None
    """The start of the first message."""
    session_state: Json = Field(default_factory=dict[str, Any])
    metadata: Json | None = None
    summary: Json | None = None
    metrics: Metrics = Field(default_factory=Metrics)
    """Summed over all runs."""
    created_at: datetime
    updated_at: datetime

    @property
    def participants(self) -> list[Participant]:
        """Whoever began it, then whoever joined it."""
        began = [] if self.runnable_id is None else [Participant(kind=self.kind, id=self.runnable_id)]
        return began + self.joined

    def has(self, kind: Kind, runnable_id: str) -> bool:
        """Whether the runnable takes part in it."""
        return any((each.kind, each.id) == (kind, runnable_id) for each in self.participants)


class Memory(Value):
    """One memory about a user."""

    memory_id: str
    memory: str
    topics: list[str] = Field(default_factory=list[str])
    user_id: str
    agent_id: str | None = None
    team_id: str | None = None
    created_at: datetime
    updated_at: datetime
