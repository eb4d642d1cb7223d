"""A runnable that does what a test tells it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Literal

from agentos.run.events import RunEvent, RunStarted
from agentos.run.runnable import RunContext
from agentos.runner.local.methods import RunMethods
from agentos.runner.settings import RunSettings


@dataclass
class Script(RunMethods):
    """Its events are those that `play` yields."""

    play: Callable[[RunContext], AsyncGenerator[RunEvent]]
    settings: RunSettings = field(default_factory=RunSettings)
    kind: Literal["agent"] = "agent"
    id: str = "script"
    name: str | None = "Script"

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        yield RunStarted()
        async for event in self.play(context):
            yield event
