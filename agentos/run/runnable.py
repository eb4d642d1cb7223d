"""What can be run (`Runnable`) and what a run gives it to work with (`RunContext`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from agentos.kinds import Kind
from agentos.run.budget import Spending
from agentos.run.events import RunEvent
from agentos.run.messages import Message
from agentos.run.owner import Owner
from agentos.run.records import Memory, RunInput, RunOutput
from agentos.run.request import OutputSchema, RunRequest

T = TypeVar("T")


class Steps(Protocol):
    """How the steps of a run (a model turn, a tool call) are carried out."""

    def __call__(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """Passes on what `source()` yields. The last item is the step's result.

        A durable run records that item and, when it is resumed after a crash, yields it alone without calling
        `source`. `name` is unique in the run and the same on every execution.
        """
        ...


class Children(Protocol):
    """How nested runs are carried out."""

    async def __call__(
        self, parent: RunContext, runnable: Runnable, given: RunInput, *, name: str
    ) -> RunOutput:
        """See `RunContext.child`."""
        ...


async def _nowhere(parent: RunContext, runnable: Runnable, given: RunInput, *, name: str) -> RunOutput:
    raise RuntimeError("Only a run that is being executed can begin nested runs.")


@dataclass(slots=True)
class RunContext:
    """One run, as its runnable and its tools see it.

    Tools and callable instructions that have a parameter annotated `RunContext` get it. `session_state` may
    be changed in place, by nested runs too: the end of the root run stores what changed.
    """

    run: RunOutput
    """The run's own record; the runnable fills in content, messages, tools and metrics."""
    request: RunRequest
    """The run as it was asked for."""
    steps: Steps
    children: Children = _nowhere
    session_state: dict[str, Any] = field(default_factory=dict[str, Any])
    dependencies: dict[str, Any] = field(default_factory=dict[str, Any])
    """The runnable's, and the request's on top."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """The runnable's, and the request's on top."""
    history: list[Message] = field(default_factory=list[Message])
    """Messages of the session's last runs, oldest first."""
    memories: list[Memory] = field(default_factory=list[Memory])
    """What is remembered about the user, if the runnable asked for it."""
    output_schema: OutputSchema | None = None
    """The request's, else the runnable's."""
    spending: Spending = field(default_factory=Spending)
    """What the whole tree of runs has used up of its budget."""

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
        """Whose rows this run may read and write."""
        return self.request.owner

    @property
    def stream(self) -> bool:
        """Whether somebody reads the answer piece by piece."""
        return self.request.stream

    @property
    def messages(self) -> list[Message]:
        """This run's messages so far."""
        return self.run.messages

    async def child(self, runnable: Runnable, given: RunInput | str, *, name: str) -> RunOutput:
        """Runs `runnable` as a part of this run, and returns its record: completed, failed or paused.

        It gets a row of its own, shares this run's session, state, budget and durability, and shows its
        events in this run's stream. Runs may overlap. `name` is unique in this run: the same name is the same
        nested run in each segment and after a crash, so one that has ended isn't run again, and one that was
        paused continues with what a person has decided. What a paused one waits for is what this run waits
        for: return without an answer, and the run pauses. A failure is the record's, never an exception;
        cancellation is raised.
        """
        asked = RunInput(input_content=given) if isinstance(given, str) else given
        return await self.children(self, runnable, asked, name=name)


class Runnable(Protocol):
    """An agent, a team, a workflow, or a class of one's own."""

    @property
    def kind(self) -> Kind:
        """Its registered kind (`agentos.kinds`)."""
        ...

    @property
    def id(self) -> str:
        """Unique among its kind in one server; part of addresses."""
        ...

    @property
    def name(self) -> str | None:
        """For people."""
        ...

    def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """Does the work, yields what happens, fills in `context.run`.

        Yields no final event: returning completes the run, or pauses it if calls are waiting; raising fails
        it.
        """
        ...
