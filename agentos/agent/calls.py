"""The tool calls of one model turn. They run concurrently; answers keep the order of the calls.

Calls that need human input stay open. They are executed when the run is continued with that input.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from time import time
from uuid import uuid4

from agentos.agent import pauses
from agentos.errors import AgentOSError
from agentos.run.events import RunEvent, ToolCallCompleted, ToolCallError, ToolCallStarted
from agentos.run.messages import Message, ToolCall, ToolExecution, last_turn
from agentos.run.records import RunOutput
from agentos.run.runnable import RunContext
from agentos.tools.idempotency import calling
from agentos.tools.result import NestedResult, ToolResult, to_text
from agentos.tools.tool import Tool


def turns(run: RunOutput) -> int:
    """Number of model turns so far, which is also the number of the last turn."""
    return sum(message.role == "assistant" for message in run.messages)


def last_calls(run: RunOutput) -> Sequence[ToolCall]:
    """The calls that the model requested in its last turn."""
    spoken = (message for message in reversed(run.messages) if message.role == "assistant")
    return next((message.tool_calls or () for message in spoken), ())


def distinct(calls: Sequence[ToolCall], said: Sequence[Message]) -> list[ToolCall]:
    """The calls, each with an id that no other call of the run has; the same on every execution.

    Some models count their calls from 1 in every turn, or give several the same id. A decision names a call
    by its id, and must never apply to another one.
    """
    taken = {call.id for message in said for call in message.tool_calls or ()}
    left: dict[str, Iterator[str]] = {}
    renamed: list[ToolCall] = []
    for call in calls:
        ids = left.setdefault(call.id, _ids(call.id))
        own = next(id_ for id_ in ids if id_ not in taken)
        taken.add(own)
        renamed.append(call if own == call.id else call.model_copy(update={"id": own}))
    return renamed


def _ids(given: str) -> Iterator[str]:
    return chain([given], (f"{given}-{number}" for number in count(2)))


def open_calls(run: RunOutput) -> Mapping[int, ToolCall]:
    """Unanswered calls of the last turn, by their position in it."""
    _, unanswered = last_turn(run.messages)
    return unanswered


@dataclass(slots=True)
class _Place:
    number: int
    call: ToolCall
    execution: ToolExecution
    is_allowed: bool = True

    @property
    def is_decided(self) -> bool:
        """Whether the answer is known without a call: it was rejected, or executed externally."""
        return self.execution.result is not None or self.execution.confirmed is False


@dataclass(slots=True)
class TurnCalls:
    """The open calls of the run's last turn."""

    tools: Mapping[str, Tool]
    context: RunContext
    allowed: int | None
    """How many new calls may be made. The others get an answer that the limit is reached."""
    agent: object
    is_new: bool
    """Whether the model has just requested the calls, as opposed to before a pause."""
    failure: AgentOSError | None = field(default=None, init=False)
    """What fails the run."""

    async def run(self) -> AsyncGenerator[RunEvent]:
        """Makes the calls that need no input, adds their answers to the run and yields the events.

        Raises the error of a nested run that fails its parent too.
        """
        places = [] if self.is_new else self._stored()
        begun = {place.number for place in places if self._begins_runs(place)}
        due = [place for place in places or self._new() if not place.execution.is_waiting]
        making = [place for place in due if not place.is_decided]
        for place in due:
            if place.is_decided:
                yield _outcome(_settled(place.execution))
        for place in making:
            if place.number not in begun:
                yield ToolCallStarted(tool=place.execution.model_copy())
        async with aclosing(self._made(making)) as made:
            async for execution in made:
                if execution.result is not None:
                    yield _outcome(execution)
        answered = [place.execution for place in due if place.execution.result is not None]
        self.context.run.messages.extend(map(_answer, answered))
        if self.failure is not None:
            raise self.failure

    def _begins_runs(self, place: _Place) -> bool:
        tool = self.tools.get(place.call.function.name)
        return tool is not None and tool.begins_runs

    def _stored(self) -> list[_Place]:
        """The calls as recorded in the run; empty if only a conversation was given."""
        run = self.context.run
        calls = last_calls(run)
        executions = run.tools[-len(calls) :]
        if [each.tool_call_id for each in executions] != [call.id for call in calls]:
            return []
        places = [_Place(number, call, executions[number]) for number, call in open_calls(run).items()]
        for place in places:
            tool = self.tools.get(place.call.function.name)
            if tool is not None and not place.is_decided:
                pauses.mark_again(place.execution, tool, approval_id=self._approval_id(place.number))
                pauses.ask_again(place.execution, tool)
        return places

    def _approval_id(self, number: int) -> str:
        return f"{self.context.run_id}:{turns(self.context.run)}-{number}"

    def _new(self) -> list[_Place]:
        run = self.context.run
        places: list[_Place] = []
        for number, call in open_calls(run).items():
            tool = self.tools.get(call.function.name)
            execution = ToolExecution(
                tool_call_id=call.id,
                tool_name=call.function.name,
                tool_args=pauses.arguments(call.function.arguments),
                stop_after_tool_call=tool is not None and tool.stop_after_tool_call,
            )
            place = _Place(number, call, execution, self.allowed is None or len(places) < self.allowed)
            if tool is not None and place.is_allowed:
                approval_id = self._approval_id(number)
                pauses.mark(execution, tool, call.function.arguments, approval_id=approval_id)
            places.append(place)
        run.tools.extend(place.execution for place in places)
        return places

    async def _made(self, places: Sequence[_Place]) -> AsyncGenerator[ToolExecution]:
        # Steps begin in the same order on every execution: an executor may tell them apart by it.
        fresh = [await self._begin(place) for place in places]
        sources = [
            partial(self._result, place, is_fresh=is_fresh)
            for place, is_fresh in zip(places, fresh, strict=True)
        ]
        steps = [
            source() if self._begins_runs(place) else self.context.steps(self._step(place), source)
            for place, source in zip(places, sources, strict=True)
        ]
        tasks = [
            asyncio.create_task(self._executed(place, step))
            for place, step in zip(places, steps, strict=True)
        ]
        try:
            for finished in asyncio.as_completed(tasks):
                yield await finished
                if self.failure is not None:
                    return  # the other calls are cancelled: the run ends without them
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _begin(self, place: _Place) -> bool:
        """Records that the call starts. False if a process that died had already started it."""
        tool = self.tools.get(place.call.function.name)
        if tool is None or tool.idempotent or not place.is_allowed:
            return True
        ours = uuid4().hex

        async def mark() -> AsyncGenerator[str]:
            yield ours

        *_, left = [item async for item in self.context.steps(f"{self._step(place)}-begun", mark)]
        return left == ours

    async def _executed(self, place: _Place, step: AsyncGenerator[ToolResult | None]) -> ToolExecution:
        began, execution = time(), place.execution
        *_, result = [item async for item in step]
        if result is None:
            pauses.cut_off(execution, self.tools.get(execution.tool_name))
            return execution
        if isinstance(result, NestedResult):
            execution.child_run_id = result.child_run_id
            if result.is_waiting:
                return execution
            self.failure = self.failure or result.failure
        ended = time()
        execution.result = result.content
        execution.tool_call_error = result.error
        execution.metrics = {"start_time": began, "end_time": ended, "duration": ended - began}
        return execution

    def _step(self, place: _Place) -> str:
        return f"tool-{turns(self.context.run)}-{place.number}"

    async def _result(self, place: _Place, *, is_fresh: bool) -> AsyncGenerator[ToolResult | None]:
        """The step of one call. None if a process that died had already started it."""
        name = place.call.function.name
        tool = self.tools.get(name)
        if not is_fresh:
            yield None
        elif not place.is_allowed:
            yield ToolResult("Not run: this run's limit of tool calls is reached. Answer now.", error=True)
        elif tool is None:
            known = ", ".join(self.tools) or "none"
            yield ToolResult(f"There is no tool {name!r}. Tools: {known}.", error=True)
        else:
            text = pauses.text_of(place.execution, place.call.function.arguments)
            with calling(self.context.run_id, self._step(place), place.call.id):
                result = await tool.call(text, self.context, agent=self.agent)
            yield result


def _settled(execution: ToolExecution) -> ToolExecution:
    if execution.confirmed is False:
        execution.result, execution.tool_call_error = pauses.refusal(execution), True
    else:
        execution.result, execution.tool_call_error = to_text(execution.result), False
    return execution


def _outcome(execution: ToolExecution) -> ToolCallCompleted | ToolCallError:
    shown = execution.model_copy()
    if execution.tool_call_error:
        return ToolCallError(tool=shown, error=execution.result)
    arguments = ", ".join(f"{name}={value}" for name, value in (execution.tool_args or {}).items())
    seconds = (execution.metrics or {}).get("duration", 0.0)
    return ToolCallCompleted(
        tool=shown, content=f"{execution.tool_name}({arguments}) completed in {seconds:.4f}s. "
    )


def _answer(execution: ToolExecution) -> Message:
    return Message(
        role="tool",
        content=execution.result,
        tool_call_id=execution.tool_call_id,
        tool_name=execution.tool_name,
        tool_args=execution.tool_args,
        tool_call_error=execution.tool_call_error,
        created_at=execution.created_at,
    )
