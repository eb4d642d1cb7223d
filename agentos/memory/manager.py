"""Extracts memories from a run after it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

from pydantic_core import from_json

from agentos.db.base import Db
from agentos.errors import AgentOSError
from agentos.memory.tools import memory_tools
from agentos.models.base import Model, ModelRequest, ModelResponse
from agentos.run.events import MemoryUpdateCompleted, MemoryUpdateStarted, RunEvent
from agentos.run.messages import Message, Metrics, ToolCall
from agentos.run.runnable import RunContext
from agentos.tools.result import ToolResult
from agentos.tools.tool import Tool

logger = logging.getLogger("agentos.memory")

MAX_TURNS = 4
"""Model turns in one update."""
_TASK = """\
You keep a short list of facts about a user for later conversations. Read what the user said and bring the \
list up to date with the tools: lasting facts, preferences and plans, one self-contained sentence in the \
third person each; never secrets, never what only matters today, never what is on the list already. Most \
messages hold nothing to remember: then call no tool and answer "nothing".
{instructions}
The list now:
{known}"""


class MemoryManager:
    """Extracts memories with a model.

    `model` defaults to the agent's own. `instructions` say what is worth remembering in this application.
    """

    def __init__(self, *, model: Model | None = None, instructions: str | None = None) -> None:
        self._model = model
        self._instructions = instructions

    async def update(self, context: RunContext, *, model: Model, db: Db) -> AsyncGenerator[RunEvent]:
        """Updates the user's memories from their messages in the run.

        Failures are only logged and the run succeeds, since the user already has the answer.
        """
        if context.user_id is None:
            return
        yield MemoryUpdateStarted()
        changed: list[dict[str, Any]] = []
        try:
            changed = await self._changes(context, self._model or model, memory_tools(db).tools)
        except AgentOSError as error:
            logger.warning("Can't update the memories of run %s (%s)", context.run_id, error.code)
        yield MemoryUpdateCompleted(memories=changed or None)

    async def _changes(
        self, context: RunContext, model: Model, tools: Mapping[str, Tool]
    ) -> list[dict[str, Any]]:
        messages = self._opening(context)
        specs = [tool.spec for tool in tools.values()]
        changed: list[dict[str, Any]] = []
        for turn in range(1, MAX_TURNS + 1):
            request = ModelRequest(messages, specs, stream=False)
            step = context.steps(f"memory-{turn}", lambda sent=request: model.respond(sent))
            *_, response = [item async for item in step]
            assert isinstance(response, ModelResponse), "a turn ends with its response"
            context.run.metrics = (context.run.metrics or Metrics()) + response.metrics
            if not response.tool_calls:
                break
            messages.append(Message(role="assistant", tool_calls=list(response.tool_calls)))
            for place, call in enumerate(response.tool_calls):
                doing = partial(_result, call, tools, context)
                *_, result = [item async for item in context.steps(f"memory-{turn}-{place}", doing)]
                messages.append(Message(role="tool", tool_call_id=call.id, content=result.content))
                if not result.error and call.function.name != "get_memories":
                    changed.append(from_json(result.content))
        return changed

    def _opening(self, context: RunContext) -> list[Message]:
        known = "\n".join(f"- [{memory.memory_id}] {memory.memory}" for memory in context.memories)
        task = _TASK.format(instructions=self._instructions or "", known=known or "(empty)")
        given = context.run.input
        return [
            Message(role="system", content=task),
            Message(role="user", content=given.input_content if given else ""),
        ]


async def _result(
    call: ToolCall, tools: Mapping[str, Tool], context: RunContext
) -> AsyncGenerator[ToolResult]:
    tool = tools.get(call.function.name)
    if tool is None:
        yield ToolResult(f"There is no tool {call.function.name!r}.", error=True)
    else:
        yield await tool.call(call.function.arguments, context)
