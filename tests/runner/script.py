"""Runnables that do what a test tells them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from agentos.kinds import Kind, KindSpelling, register
from agentos.models.base import ModelResponse
from agentos.run.events import RunEvent, RunStarted
from agentos.run.messages import Metrics
from agentos.run.runnable import RunContext
from agentos.runner.local.methods import RunMethods
from agentos.runner.settings import RunSettings

PROBE = register(KindSpelling("probe", "Probe"))
"""A kind of the tests' own."""

Play = Callable[[RunContext], AsyncGenerator[RunEvent]]


@dataclass
class Script(RunMethods):
    """Its events are those that `play` yields."""

    play: Play
    settings: RunSettings = field(default_factory=RunSettings)
    kind: Kind = "agent"
    id: str = "script"
    name: str | None = "Script"

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        yield RunStarted()
        async for event in self.play(context):
            yield event


def probe(id: str, play: Play, **settings: object) -> Script:  # noqa: A002 - as a runnable has it
    return Script(play, RunSettings(**settings), kind="probe", id=id, name=id.capitalize())  # type: ignore[arg-type]


async def turn(context: RunContext, name: str, text: str, *, tokens: int = 0) -> str:
    """A model turn of the run: it says `text`, and its tokens are the run's."""

    async def speak() -> AsyncGenerator[ModelResponse]:
        yield ModelResponse(content=text, metrics=Metrics(output_tokens=tokens, total_tokens=tokens))

    *_, said = [item async for item in context.steps(name, speak)]
    context.run.metrics = (context.run.metrics or Metrics()) + said.metrics
    context.run.content = said.content
    return said.content or ""
