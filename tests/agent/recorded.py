"""Steps that are kept, as a durable executor keeps them, so that a run can be begun again with them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from agentos.agent import Agent
from agentos.run.events import RunEvent
from agentos.run.records import RunInput, RunOutput
from agentos.run.request import RunRequest
from agentos.run.runnable import RunContext

T = TypeVar("T")


class ProcessDied(BaseException):
    """What a test ends a run with."""


class Recorded:
    """Results by name; `dies_in` names the step in which the process dies: before it is recorded."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.names: list[str] = []
        self.dies_in: str | None = None

    def __call__(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        assert name not in self.names, f"{name} isn't unique in its segment"
        self.names.append(name)
        return self._step(name, source)

    async def _step(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        if name in self.results:
            yield self.results[name]
            return
        last: T | None = None
        async for item in source():
            last = item
            if name != self.dies_in:
                yield item
        if name == self.dies_in:
            raise ProcessDied
        self.results[name] = last


def begun(steps: Recorded, run: RunOutput | None = None) -> RunContext:
    """What a process gets that begins a segment: for the first time, or again."""
    steps.names.clear()
    new = RunOutput(run_id="r", kind="agent", runnable_id="a", session_id="s", user_id="alice")
    new.input = RunInput(input_content="go")
    run = new if run is None else run.model_copy(deep=True)
    request = RunRequest(input=run.input, user_id="alice")
    return RunContext(run=run, request=request, steps=steps)


async def played(agent: Agent, context: RunContext) -> list[RunEvent]:
    """The events until the segment ends or the process dies."""
    events: list[RunEvent] = []
    try:
        async for event in agent.events(context):
            events.append(event)  # noqa: PERF401 - it keeps what came before the end
    except ProcessDied:
        pass
    return events
