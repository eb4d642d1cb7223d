"""The tool calls of one model turn: all at once, answers in the order they were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from time import time
from typing import Any

from pydantic_core import from_json

from agentos.run.events import RunEvent, ToolCallCompleted, ToolCallError, ToolCallStarted
from agentos.run.messages import Message, ToolCall, ToolExecution
from agentos.run.runnable import RunContext
from agentos.tools.result import ToolResult
from agentos.tools.tool import Tool


@dataclass(slots=True)
class TurnCalls:
    """The calls of one turn; `allowed` of them run, the rest are told that the limit is reached."""

    calls: Sequence[ToolCall]
    tools: Mapping[str, Tool]
    context: RunContext
    turn: int
    allowed: int | None
    agent: object

    async def run(self) -> AsyncGenerator[RunEvent]:
        """Runs them, adds their executions and messages to the run, yields what happens."""
        run = self.context.run
        executions = [self._execution(call) for call in self.calls]
        run.tools.extend(executions)
        for execution in executions:
            yield ToolCallStarted(tool=execution.model_copy())
        tasks = [
            asyncio.create_task(self._call(place, call, execution))
            for place, (call, execution) in enumerate(zip(self.calls, executions, strict=True))
        ]
        try:
            for finished in asyncio.as_completed(tasks):
                execution = await finished
                yield _outcome(execution)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        run.messages.extend(_answer(execution) for execution in executions)

    def _execution(self, call: ToolCall) -> ToolExecution:
        tool = self.tools.get(call.function.name)
        return ToolExecution(
            tool_call_id=call.id,
            tool_name=call.function.name,
            tool_args=_arguments(call.function.arguments),
            stop_after_tool_call=tool is not None and tool.stop_after_tool_call,
        )

    async def _call(self, place: int, call: ToolCall, execution: ToolExecution) -> ToolExecution:
        began = time()
        step = self.context.steps(f"tool-{self.turn}-{place}", lambda: self._result(place, call))
        *_, result = [item async for item in step]
        ended = time()
        execution.result = result.content
        execution.tool_call_error = result.error
        execution.metrics = {"start_time": began, "end_time": ended, "duration": ended - began}
        return execution

    async def _result(self, place: int, call: ToolCall) -> AsyncGenerator[ToolResult]:
        tool = self.tools.get(call.function.name)
        if self.allowed is not None and place >= self.allowed:
            yield ToolResult("Not run: this run's limit of tool calls is reached. Answer now.", error=True)
        elif tool is None:
            known = ", ".join(self.tools) or "none"
            yield ToolResult(f"There is no tool {call.function.name!r}. Tools: {known}.", error=True)
        else:
            yield await tool.call(call.function.arguments, self.context, agent=self.agent)


def _arguments(text: str) -> dict[str, Any] | None:
    try:
        value: Any = from_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] - JSON


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
