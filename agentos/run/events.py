"""The events of a run, as one closed union: yielded in process, stored, sent and parsed back.

Names and fields follow the peer's wire contract. A runnable yields events with their payload only; the buffer
stamps `origin`, `seq` and time. `run.wire` defines their JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from agentos.kinds import Kind
from agentos.run.messages import Metrics, ToolExecution
from agentos.run.requirement import RunRequirement
from agentos.run.value import Value


@dataclass(frozen=True, slots=True)
class Origin:
    """The run and the runnable that an event comes from."""

    kind: Kind
    id: str
    run_id: str
    session_id: str
    name: str | None = None
    parent_run_id: str | None = None
    nested_depth: int = 0


class _Event(Value):
    origin: Origin | None = Field(default=None, exclude=True)
    """Unset until the event is recorded."""
    seq: int = Field(default=0, exclude=True)
    """1, 2, 3 … in a run; the SSE `id`. 0 until stamped."""
    created_at: int = Field(default_factory=lambda: int(time()))
    """Epoch seconds."""

    is_final: ClassVar[bool] = False
    """Whether the segment ends with this event: the run has finished, or waits for a person."""


class RunStarted(_Event):
    """The run has started to execute."""

    event: Literal["RunStarted"] = "RunStarted"
    model: str | None = None
    """The provider's name for the model."""
    model_provider: str | None = None
    """The model's provider."""


class RunContinued(_Event):
    """The run continues: with a person's decisions, or in another process after a crash."""

    event: Literal["RunContinued"] = "RunContinued"
    discarded_from: int | None = None
    """Text in events from this `seq` on is void: the process that was sending it died, and the model was
    called again with a different result."""


class ModelRequestStarted(_Event):
    """A model turn has started."""

    event: Literal["ModelRequestStarted"] = "ModelRequestStarted"
    model: str | None = None
    """The provider's name for the model."""
    model_provider: str | None = None
    """The model's provider."""


class ModelRequestCompleted(_Event):
    """A model turn has completed."""

    event: Literal["ModelRequestCompleted"] = "ModelRequestCompleted"
    model: str | None = None
    """The provider's name for the model."""
    model_provider: str | None = None
    """The model's provider."""
    input_tokens: int = 0
    """Tokens sent to the model."""
    output_tokens: int = 0
    """Tokens received from the model."""
    total_tokens: int = 0
    """Input and output tokens."""
    time_to_first_token: float | None = None
    """Seconds."""
    reasoning_tokens: int = 0
    """Output tokens spent on reasoning."""
    cache_read_tokens: int = 0
    """Input tokens that the provider had cached."""
    cache_write_tokens: int = 0
    """Input tokens that the provider added to its cache."""


class RunContent(_Event):
    """A piece of the answer. The pieces joined in order are the answer."""

    event: Literal["RunContent"] = "RunContent"
    content: Any = ""
    """The piece: text, or the parsed object if the answer is structured."""
    workflow_agent: bool = False
    """Always false; part of the wire contract."""
    content_type: str = "str"
    """`str`, or the name of the answer's schema."""
    reasoning_content: str = ""
    """A piece of the model's reasoning."""


class RunContentCompleted(_Event):
    """The last piece of the answer has been sent."""

    event: Literal["RunContentCompleted"] = "RunContentCompleted"


class ToolCallStarted(_Event):
    """A tool call has started."""

    event: Literal["ToolCallStarted"] = "ToolCallStarted"
    tool: ToolExecution
    """The call."""


class ToolCallCompleted(_Event):
    """A tool call has returned."""

    event: Literal["ToolCallCompleted"] = "ToolCallCompleted"
    content: str | None = None
    """A sentence about the completed call."""
    tool: ToolExecution
    """The call, with its result."""


class ToolCallError(_Event):
    """A tool call failed or was invalid. The model receives the error and the run continues."""

    event: Literal["ToolCallError"] = "ToolCallError"
    tool: ToolExecution
    """The call."""
    error: str | None = None
    """The reason, as the model receives it."""


class MemoryUpdateStarted(_Event):
    """The user's memories are being updated from this run."""

    event: Literal["MemoryUpdateStarted"] = "MemoryUpdateStarted"


class MemoryUpdateCompleted(_Event):
    """The user's memories are up to date; `memories` are those that changed."""

    event: Literal["MemoryUpdateCompleted"] = "MemoryUpdateCompleted"
    memories: list[dict[str, Any]] | None = None
    """The memories that changed."""


class TaskIterationStarted(_Event):
    """A team's leader starts to go over its tasks, for the first time or again."""

    event: Literal["TaskIterationStarted"] = "TaskIterationStarted"
    iteration: int
    """1 for the first."""
    max_iterations: int
    """How many the run may have."""


class TaskIterationCompleted(_Event):
    """A team's leader has gone over its tasks. A pause doesn't complete the iteration."""

    event: Literal["TaskIterationCompleted"] = "TaskIterationCompleted"
    iteration: int
    """The number in `TaskIterationStarted`."""
    max_iterations: int
    """How many the run may have."""
    task_summary: str
    """The tasks with their statuses, as text."""


class TaskCreated(_Event):
    """A team's leader has created a task."""

    event: Literal["TaskCreated"] = "TaskCreated"
    task_id: str
    """Unique in the run."""
    title: str
    """What is to be done, in short."""
    description: str
    """What the member is told to do; empty if the title says it all."""
    assignee: str | None = None
    """The id of the member that is to do it."""
    status: str
    """`pending`. If it can't be done, an event about that follows."""
    dependencies: list[str] = Field(default_factory=list[str])
    """The ids of tasks that must be completed before it."""


class TaskUpdated(_Event):
    """A task of a team has another status."""

    event: Literal["TaskUpdated"] = "TaskUpdated"
    task_id: str
    """The id in `TaskCreated`."""
    title: str
    """The task's title."""
    status: str
    """`pending`, `in_progress`, `completed`, `failed` or `blocked`."""
    previous_status: str
    """The status before."""
    result: str | None = None
    """The beginning of the result. All of it is in the run of the member."""
    assignee: str | None = None
    """The id of the member that does it."""


class TaskStateUpdated(_Event):
    """All tasks of a team's run, at the end of an iteration."""

    event: Literal["TaskStateUpdated"] = "TaskStateUpdated"
    task_summary: str
    """The tasks with their statuses, as text."""
    goal_complete: bool
    """Whether the leader has declared all to be complete."""
    completion_summary: str | None = None
    """What the leader said about it."""
    tasks: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    """`id`, `title`, `status` and `assignee` of each."""


class CustomEvent(_Event):
    """A custom event of a tool or a runnable."""

    event: Literal["CustomEvent"] = "CustomEvent"
    name: str | None = None
    """The event's own name."""
    data: Any = None
    """The event's own data."""


class RunCompleted(_Event):
    """The run succeeded."""

    event: Literal["RunCompleted"] = "RunCompleted"
    content: Any = None
    """The answer: text, or the parsed object if the answer is structured."""
    content_type: str = "str"
    """`str`, or the name of the answer's schema."""
    reasoning_content: str | None = None
    """The model's reasoning."""
    model_provider_data: dict[str, Any] | None = None
    """Additional data from the provider."""
    session_state: dict[str, Any] | None = None
    """The session's state at the end of the run."""
    metrics: Metrics | None = None
    """Tokens and seconds of the run and all runs nested in it."""

    is_final: ClassVar[bool] = True


class RunPaused(_Event):
    """The run waits for a person. Continuing it appends events after this one."""

    event: Literal["RunPaused"] = "RunPaused"
    content: Any = None
    """The answer so far."""
    tools: list[ToolExecution] = Field(default_factory=list[ToolExecution])
    """The calls that wait."""
    requirements: list[RunRequirement] = Field(default_factory=list[RunRequirement])
    """What each of them waits for."""

    is_final: ClassVar[bool] = True


class RunError(_Event):
    """The run failed. `error_type` is a stable code, `content` our own text without foreign exceptions."""

    event: Literal["RunError"] = "RunError"
    content: str
    """What failed, in a sentence."""
    error_type: str
    """The stable code of the error."""
    error_id: str | None = None
    """Also in the server's log, next to the exception."""

    is_final: ClassVar[bool] = True


class RunCancelled(_Event):
    """The run was cancelled. Its output so far is kept."""

    event: Literal["RunCancelled"] = "RunCancelled"
    content: Any = None
    """The answer so far."""
    reason: str = "Operation cancelled by user"
    """Why, in words of the wire contract."""

    is_final: ClassVar[bool] = True


RunEvent = (
    RunStarted
    | RunContinued
    | ModelRequestStarted
    | ModelRequestCompleted
    | RunContent
    | RunContentCompleted
    | ToolCallStarted
    | ToolCallCompleted
    | ToolCallError
    | MemoryUpdateStarted
    | MemoryUpdateCompleted
    | TaskIterationStarted
    | TaskIterationCompleted
    | TaskCreated
    | TaskUpdated
    | TaskStateUpdated
    | CustomEvent
    | RunCompleted
    | RunPaused
    | RunError
    | RunCancelled
)
AnyRunEvent = Annotated[RunEvent, Field(discriminator="event")]
"""`RunEvent` for pydantic: picks the class by the `event` field."""
