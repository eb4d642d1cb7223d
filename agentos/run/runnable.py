"""What can be run (`Runnable`) and what a run gives it to work with (`RunContext`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from agentos.run.events import Kind, RunEvent
from agentos.run.messages import Message
from agentos.run.owner import Owner
from agentos.run.records import Memory, RunOutput

T = TypeVar("T")

OutputSchema = type[BaseModel] | Mapping[str, Any]
"""A pydantic class, or a JSON schema, that the answer must fit."""


class Steps(Protocol):
    """How the steps of a run (a model turn, a tool call) are carried out."""

    def __call__(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """Passes on what `source()` yields. The last item is the step's result.

        A durable executor records that item and, when the run is taken up again, yields it alone
        without calling `source`. `name` is unique in the run and the same on every execution.
        """
        ...


@dataclass(slots=True)
class RunContext:
    """One run, as its runnable and its tools see it.

    Tools and callable instructions that have a parameter annotated `RunContext` get it. `session_state`
    may be changed in place: the run's end stores what changed.
    """

    run: RunOutput
    """The run's own record; the runnable fills in content, messages, tools and metrics."""
    owner: Owner
    """Whose rows this run may read and write."""
    steps: Steps
    stream: bool = True
    """Whether somebody wants the answer piece by piece."""
    session_state: dict[str, Any] = field(default_factory=dict[str, Any])
    dependencies: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    history: list[Message] = field(default_factory=list[Message])
    """Messages of the session's last runs, oldest first."""
    memories: list[Memory] = field(default_factory=list[Memory])
    """What is remembered about the user, if the runnable asked for it."""
    output_schema: OutputSchema | None = None

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
    def messages(self) -> list[Message]:
        """This run's messages so far."""
        return self.run.messages


class Runnable(Protocol):
    """An agent, a team, a workflow, or a class of one's own."""

    @property
    def kind(self) -> Kind:
        """Which family it belongs to on the wire."""
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

        Yields no final event: returning completes the run, raising fails it.
        """
        ...
