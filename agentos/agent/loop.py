"""The agent loop: calls the model and executes the tools it requests, until it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from agentos.agent.calls import TurnCalls, distinct, last_calls, open_calls, turns
from agentos.agent.output import OutputError, parse, response_format, type_name
from agentos.errors import AgentOSError, ModelError
from agentos.models.base import Model, ModelDelta, ModelRequest, ModelResponse
from agentos.run.events import (
    ModelRequestCompleted,
    ModelRequestStarted,
    RunContent,
    RunContentCompleted,
    RunEvent,
)
from agentos.run.messages import Message, Metrics
from agentos.run.runnable import RunContext
from agentos.tools.tool import Tool

MAX_TURNS = 100
"""Model turns in one run. Exceeding it means that the model is stuck in a loop."""


class TooManyTurnsError(AgentOSError):
    """The model requested tools in `MAX_TURNS` turns without answering."""

    code = "too_many_turns"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after how many seconds, to retry a model turn that failed before it produced output."""

    times: int = 0
    delay: float = 1.0
    exponential: bool = False

    def pause(self, attempt: int) -> float:
        """Seconds to wait after try number `attempt`, counted from 1."""
        return self.delay * 2 ** (attempt - 1) if self.exponential else self.delay


@dataclass(slots=True)
class Loop:
    """The conversation of one run with its model."""

    model: Model
    tools: Mapping[str, Tool]
    context: RunContext
    tool_choice: str | Mapping[str, Any] | None
    tool_call_limit: int | None
    retry: Retry
    agent: object
    _corrected: bool = field(default=False, init=False)

    async def events(self) -> AsyncGenerator[RunEvent]:
        """Runs until the model answers, or until calls need human input. Leaves the answer in `context.run`.

        The next step is derived from the run's own messages, so the loop can start at any point in a
        conversation.
        """
        run, asked = self.context.run, False
        while True:
            if open_calls(run):
                calls = TurnCalls(self.tools, self.context, self._calls_left(), self.agent, is_new=asked)
                async with aclosing(calls.run()) as events:
                    async for event in events:
                        yield event
                if run.active_requirements or self._is_stopped():
                    break
            asked = True
            response: ModelResponse | None = None
            async with aclosing(self._turn()) as items:
                async for item in items:
                    if isinstance(item, ModelResponse):
                        response = item
                    else:
                        yield item
            assert response is not None, "a turn ends with its response"
            if not response.tool_calls and self._take_answer(response.content or ""):
                break
        yield RunContentCompleted()

    async def _turn(self) -> AsyncGenerator[RunEvent | ModelResponse]:
        model, number = self.model, turns(self.context.run) + 1
        if number > MAX_TURNS:
            raise TooManyTurnsError(f"The model called tools for {MAX_TURNS} turns without answering.")
        yield ModelRequestStarted(model=model.id, model_provider=model.provider)
        response: ModelResponse | None = None
        pieces: list[str] = []
        shown = False
        try:
            async with aclosing(self.context.steps(f"model-{number}", self._respond)) as items:
                async for item in items:
                    if isinstance(item, ModelResponse):
                        response = item
                    else:
                        shown = True
                        pieces.append(item.content)
                        yield RunContent(content=item.content, reasoning_content=item.reasoning_content)
        finally:
            if response is None and any(pieces):
                # Whoever stops the run keeps what it had said.
                self._set_answer("".join(pieces))
        if response is None:
            raise ModelError("The model ended its turn without an answer.", code="model_bad_response")
        if self.context.stream and not shown and (whole := _whole(response)):
            yield whole
        self._remember(response)
        metrics = response.metrics
        yield ModelRequestCompleted(
            model=model.id,
            model_provider=model.provider,
            **metrics.model_dump(exclude={"duration"}),
        )
        yield response

    async def _respond(self) -> AsyncGenerator[ModelDelta | ModelResponse]:
        attempt = 0
        while True:
            attempt += 1
            shown = False
            try:
                async with aclosing(self.model.respond(self._request())) as items:
                    async for item in items:
                        shown = True
                        yield item
                return
            except ModelError:
                if shown or attempt > self.retry.times:
                    raise
            await asyncio.sleep(self.retry.pause(attempt))

    def _request(self) -> ModelRequest:
        schema = self.context.output_schema
        offered = () if self._calls_left() == 0 else tuple(tool.spec for tool in self.tools.values())
        return ModelRequest(
            messages=self._conversation(),
            tools=offered,
            tool_choice=self.tool_choice if offered else None,
            response_format=response_format(schema) if schema else None,
            stream=self.context.stream,
        )

    def _conversation(self) -> list[Message]:
        own = self.context.run.messages
        lead = 1 if own[0].role == "system" else 0
        return [*own[:lead], *self.context.history, *own[lead:]]

    def _calls_left(self) -> int | None:
        if self.tool_call_limit is None:
            return None
        return max(0, self.tool_call_limit - len(self.context.run.tools))

    def _remember(self, response: ModelResponse) -> None:
        run = self.context.run
        run.metrics = (run.metrics or Metrics()) + response.metrics
        if response.reasoning_content:
            run.reasoning_content = (run.reasoning_content or "") + response.reasoning_content
        if response.content:
            self._set_answer(response.content)
        run.messages.append(
            Message(
                role="assistant",
                content=response.content,
                reasoning_content=response.reasoning_content,
                tool_calls=distinct(response.tool_calls, run.messages) or None,
                provider_data=dict(response.provider_data) if response.provider_data else None,
                metrics=response.metrics,
            )
        )

    def _is_stopped(self) -> bool:
        """Whether a call of the last turn ends the run. If so, its answer becomes the run's answer.

        An error is never an answer: the model is told.
        """
        run = self.context.run
        executions = run.tools[-len(last_calls(run)) :]
        stopping = [each for each in executions if each.stop_after_tool_call and not each.tool_call_error]
        if stopping:
            self._set_answer("\n".join(each.result or "" for each in stopping))
        return bool(stopping)

    def _take_answer(self, text: str) -> bool:
        """Whether this is the final answer. An answer that doesn't match the schema is sent back once."""
        schema = self.context.output_schema
        if schema is None:
            self._set_answer(text)
            return True
        try:
            value = parse(text, schema)
        except OutputError as error:
            if self._corrected:
                raise
            self._corrected = True
            text = f"{error} Reply again with only the corrected JSON."
            self.context.run.messages.append(Message(role="user", name="correction", content=text))
            return False
        self._set_answer(value, content_type=type_name(schema))
        return True

    def _set_answer(self, content: Any, *, content_type: str = "str") -> None:
        self.context.run.content = content
        self.context.run.content_type = content_type


def _whole(response: ModelResponse) -> RunContent | None:
    """The single item of a turn that was replayed from the record of a process that died."""
    content, reasoning = response.content or "", response.reasoning_content or ""
    return RunContent(content=content, reasoning_content=reasoning) if content or reasoning else None
