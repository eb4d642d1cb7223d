"""The rows of a run's world as values: session, run, memory."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from time import time
from typing import Any

from pydantic import Field

from agentos.kinds import Kind
from agentos.run.media import File, Image
from agentos.run.messages import Message, Metrics, ToolExecution
from agentos.run.requirement import RunRequirement
from agentos.run.value import Value

Json = dict[str, Any]


class RunStatus(StrEnum):
    """Where a run is in its life; the names are the wire's."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"
    REGENERATED = "REGENERATED"
    """It was completed, and another answer took its place; this one is kept, out of the history."""

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen any more."""
        return self not in {RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED}


class RunInput(Value):
    """What the caller sent."""

    input_content: str
    images: list[Image] | None = None
    files: list[File] | None = None


class RunOutput(Value):
    """One run: what was asked, what came of it, what it cost. It grows while the run executes."""

    run_id: str
    kind: Kind
    """What kind of runnable ran."""
    runnable_id: str
    """Its id: the wire's `agent_id`, `team_id` or `workflow_id`, by `kind`."""
    runnable_name: str | None = None
    session_id: str
    parent_run_id: str | None = None
    """The run that this one is a part of; None for a root run."""
    root_run_id: str | None = None
    """The run at the top; None for itself."""
    depth: int | None = None
    """How many runs are above it; None is 0."""
    user_id: str | None = None
    content: Any = None
    """Text, or the parsed object (`content_type` names its class) for a structured answer."""
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
    """The stable code of what went wrong, when `status` is ERROR."""
    metrics: Metrics | None = None
    messages: list[Message] = Field(default_factory=list[Message])
    """This run's own messages; history is not repeated."""
    tools: list[ToolExecution] = Field(default_factory=list[ToolExecution])
    metadata: Json | None = None
    input: RunInput | None = None
    forked_from_run_id: str | None = None
    """The run whose beginning this one shares."""
    regenerated_from: str | None = None
    """The run that this one answers anew."""
    child_requirements: dict[str, list[RunRequirement]] = Field(
        default_factory=dict[str, list[RunRequirement]], exclude=True
    )
    """By nested run: what it and those below it waited for when this run paused, as far as decided."""
    child_metrics: dict[str, Metrics] = Field(default_factory=dict[str, Metrics], exclude=True)
    """What of `metrics` is each nested run's."""
    children: list[RunOutput] = Field(default_factory=list["RunOutput"], exclude=True)
    """The nested runs that this process has executed or opened; in the database each is a row of its own."""

    @property
    def requirements(self) -> list[RunRequirement]:
        """What the run waits for; without any, it can continue."""
        own = [RunRequirement(tool_execution=tool) for tool in self.tools if tool.is_waiting]
        nested = [each for requirements in self.child_requirements.values() for each in requirements]
        return own + [each for each in nested if not each.is_resolved]

    @property
    def is_paused(self) -> bool:
        """Whether it waits for a person."""
        return self.status is RunStatus.PAUSED


class Session(Value):
    """A conversation of one user with one runnable."""

    session_id: str
    kind: Kind
    runnable_id: str | None = None
    user_id: str | None = None
    session_name: str | None = None
    """The name somebody gave it; without one, `title` is shown."""
    title: str | None = None
    """The beginning of the first message."""
    session_state: Json = Field(default_factory=dict[str, Any])
    metadata: Json | None = None
    summary: Json | None = None
    metrics: Metrics = Field(default_factory=Metrics)
    """Summed over all runs."""
    created_at: datetime
    updated_at: datetime


class Memory(Value):
    """One thing worth knowing about a user."""

    memory_id: str
    memory: str
    topics: list[str] = Field(default_factory=list[str])
    user_id: str
    agent_id: str | None = None
    team_id: str | None = None
    created_at: datetime
    updated_at: datetime
