"""The protocol of runnables (`Runnable`), and what a run provides to them (`RunContext`)."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from agentos.kinds import Kind
from agentos.run.budget import Spending
from agentos.run.events import Origin, RunEvent
from agentos.run.messages import Message
from agentos.run.output_schema import OutputSchema
from agentos.run.owner import Owner
from agentos.run.records import Memory, RunInput, RunOutput
from agentos.run.request import RunRequest
from agentos.run.state import State

T = TypeVar("T")


class Steps(Protocol):
    """Executes the steps of a run (a model turn, a tool call)."""

    def __call__(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """Yields the items of `source()`. The last item is the step's result.

        A durable run records that item. When it is resumed after a crash, it yields only that item without
        calling `source`. `name` is unique in the run and the same on every execution.
        """
        ...


class Children(Protocol):
    """Executes nested runs."""

    async def __call__(
        self, parent: RunContext, runnable: Runnable, given: RunInput, *, name: str
    ) -> RunOutput:
        """See `RunContext.child`."""
        ...


async def _nowhere(parent: RunContext, runnable: Runnable, given: RunInput, *, name: str) -> RunOutput:
    raise RuntimeError("Only a run that is being executed can begin nested runs.")


@dataclass(slots=True)
class RunContext:
    """One run, as seen by its runnable and its tools.

    Tools and callable instructions with a parameter annotated `RunContext` receive it. `session_state` may be
    changed in place, also by nested runs; changes are stored at the end of the root run. Sync functions that
    take it run one at a time in a tree of runs.
    """

    run: RunOutput
    """The run's record. The runnable sets content, messages, tools and metrics."""
    request: RunRequest
    """The run's request."""
    steps: Steps
    children: Children = _nowhere
    state: State = field(default_factory=State)
    """The session's state, shared by the whole tree of runs; `state.add` and `state.append` merge with what
    other runs store."""
    dependencies: dict[str, Any] = field(default_factory=dict[str, Any])
    """The runnable's dependencies, overridden by the request's."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """The runnable's metadata, overridden by the request's."""
    history: list[Message] = field(default_factory=list[Message])
    """Messages of the session's latest runs, oldest first."""
    memories: list[Memory] = field(default_factory=list[Memory])
    """Memories about the user, if the runnable requested them."""
    output_schema: OutputSchema | None = None
    """The request's schema, else the runnable's."""
    speaks_for: Origin | None = None
    """The run above it whose answer this run's answer is. None: the run speaks for itself."""
    spending: Spending = field(default_factory=Spending)
    """Consumption of the whole tree of runs."""

    @property
    def session_state(self) -> dict[str, Any]:
        """The values of the state."""
        return self.state.values

    @session_state.setter
    def session_state(self, values: dict[str, Any]) -> None:
        self.state.values = values

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    @property
    def session_id(self) -> str:
        """The id of the session that the run belongs to."""
        return self.run.session_id

    @property
    def user_id(self) -> str | None:
        """The user that the run belongs to."""
        return self.run.user_id

    @property
    def owner(self) -> Owner:
        """The owner whose rows this run may read and write."""
        return self.request.owner

    @property
    def stream(self) -> bool:
        """Whether the answer is streamed."""
        return self.request.stream

    @property
    def messages(self) -> list[Message]:
        """This run's messages so far."""
        return self.run.messages

    async def child(self, runnable: Runnable, given: RunInput | str, *, name: str) -> RunOutput:
        """Executes `runnable` as a nested run and returns its record: completed, failed or paused.

        It has its own row, shares this run's session, state, budget and durability, and its events appear in
        this run's stream. Nested runs may overlap. `name` is unique in this run. The same name refers to the
        same nested run in every segment and after a crash, so a finished one isn't run again, and a paused
        one continues with the decisions. This run waits for whatever a paused nested run waits for: return
        without an answer, and the run pauses. A failure is recorded, never raised; cancellation is raised.
        """
        asked = RunInput(input_content=given) if isinstance(given, str) else given
        return await self.children(self, runnable, asked, name=name)


async def called(function: Callable[..., T | Awaitable[T]], context: RunContext) -> T:
    """What a user's function returns, sync or async, with the run if it has a parameter.

    A sync function that takes the run waits for its turn in the tree of runs.
    """
    made: Any
    if inspect.signature(function).parameters:
        async with context.state.turn:
            made = function(context)
    else:
        made = function()
    return await made if inspect.isawaitable(made) else made


class Runnable(Protocol):
    """An agent, a team, a workflow, or a custom class."""

    @property
    def kind(self) -> Kind:
        """Its registered kind (`agentos.kinds`)."""
        ...

    @property
    def id(self) -> str:
        """Unique within its kind on one server; part of URLs."""
        ...

    @property
    def name(self) -> str | None:
        """A display name."""
        ...

    def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """Does the work, yields events and fills in `context.run`.

        Yields no final event. Returning completes the run, or pauses it if calls are waiting; raising fails
        it.
        """
        ...
