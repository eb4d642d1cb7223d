"""An agent: a model, the tools it may call, and what it is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

from agentos.agent.loop import Loop, Retry
from agentos.agent.prompt import Instructions, Prompt
from agentos.db.base import Db
from agentos.errors import ConfigurationError
from agentos.memory.manager import MemoryManager
from agentos.memory.tools import INSTRUCTIONS as MEMORY_INSTRUCTIONS
from agentos.memory.tools import MemoryTools
from agentos.models.base import Model
from agentos.models.catalog import resolve
from agentos.run.events import RunEvent, RunStarted
from agentos.run.runnable import OutputSchema, RunContext
from agentos.runner.base import RunMethods
from agentos.runner.settings import RunSettings
from agentos.tools.tool import Tool
from agentos.tools.toolkit import ToolLike, collect
from agentos.tools.toolkit import instructions as instructions_of
from agentos.utils.slug import slug

DEFAULT_MODEL = "openai:gpt-5.4-mini"


class Agent(RunMethods):
    """Give it a name, a model and tools; `run` it, or hand it to `AgentOS`.

    `id` is made from `name` when left out. `model` is an adapter or `"provider:model-id"`. `tools` are
    functions, `@tool`s and toolkits. `instructions` and `system_message` may be functions of the run; the
    latter replaces everything else the model would be told. In all of them `{name}` stands for a value of
    the session's state, the run's dependencies or its metadata, unless `resolve_in_context=False`.

    `session_state` is what a new session begins with. `num_history_runs` is how many earlier runs of the
    session the model sees with `add_history_to_context`. `tool_call_limit` counts over a whole run.
    `retries` is how often a model turn that failed before it showed anything is tried again, after
    `delay_between_retries` seconds, doubled each time with `exponential_backoff`.

    `update_memory_on_run` lets `memory_manager` look for things to remember after each run;
    `enable_agentic_memory` gives the model tools for it; either turns `add_memories_to_context` on.

    A configuration that can't work raises ConfigurationError here.
    """

    kind: Literal["agent"] = "agent"

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002 - the peer's name
        name: str | None = None,
        model: Model | str | None = None,
        db: Db | None = None,
        tools: Sequence[ToolLike] = (),
        tool_call_limit: int | None = None,
        tool_choice: str | Mapping[str, Any] | None = None,
        role: str | None = None,
        description: str | None = None,
        instructions: Instructions = None,
        system_message: Instructions = None,
        expected_output: str | None = None,
        additional_context: str | None = None,
        markdown: bool = False,
        add_name_to_context: bool = False,
        add_datetime_to_context: bool = False,
        timezone_identifier: str | None = None,
        add_history_to_context: bool = False,
        num_history_runs: int = 3,
        session_state: Mapping[str, Any] | None = None,
        add_session_state_to_context: bool = False,
        dependencies: Mapping[str, Any] | None = None,
        add_dependencies_to_context: bool = False,
        resolve_in_context: bool = True,
        metadata: Mapping[str, Any] | None = None,
        output_schema: OutputSchema | None = None,
        memory_manager: MemoryManager | None = None,
        update_memory_on_run: bool = False,
        enable_agentic_memory: bool = False,
        add_memories_to_context: bool | None = None,
        retries: int = 0,
        delay_between_retries: float = 1.0,
        exponential_backoff: bool = False,
        stream_events: bool = False,
    ) -> None:
        self.id = id or slug(name or "") or "agent"
        self.name = name
        self.model = resolve(model or DEFAULT_MODEL)
        self.db = db
        self.tools = list(tools)
        self.tool_call_limit = _at_least("tool_call_limit", tool_call_limit, 0)
        self.tool_choice = tool_choice
        self.role = role
        self.description = description
        self.instructions = instructions
        self.system_message = system_message
        self.markdown = markdown
        self.add_history_to_context = add_history_to_context
        self.num_history_runs = _at_least("num_history_runs", num_history_runs, 1) or 0
        self.session_state = dict(session_state or {})
        self.dependencies = dict(dependencies or {})
        self.metadata = dict(metadata or {})
        self.output_schema = output_schema
        self.memory_manager = memory_manager or MemoryManager()
        self.update_memory_on_run = update_memory_on_run
        self.enable_agentic_memory = enable_agentic_memory
        uses_memory = update_memory_on_run or enable_agentic_memory
        self.add_memories_to_context = (
            uses_memory if add_memories_to_context is None else add_memories_to_context
        )
        self.stream_events = stream_events
        self._retry = Retry(_at_least("retries", retries, 0) or 0, delay_between_retries, exponential_backoff)
        self._own_tools = collect(self.tools)
        self._prompt = Prompt(
            name=name,
            role=role,
            description=description,
            instructions=instructions,
            system_message=system_message,
            expected_output=expected_output,
            additional_context=additional_context,
            tool_instructions=(
                *instructions_of(self.tools),
                *([MEMORY_INSTRUCTIONS] if enable_agentic_memory else []),
            ),
            markdown=markdown,
            add_name=add_name_to_context,
            add_datetime=add_datetime_to_context,
            timezone=timezone_identifier,
            add_session_state=add_session_state_to_context,
            add_dependencies=add_dependencies_to_context,
            add_memories=self.add_memories_to_context,
            resolve=resolve_in_context,
        )

    @property
    def settings(self) -> RunSettings:
        """What the runner needs to know before a run."""
        return RunSettings(
            db=self.db,
            history_runs=self.num_history_runs if self.add_history_to_context else 0,
            memories=self.add_memories_to_context or self.update_memory_on_run,
            session_state=self.session_state,
            dependencies=self.dependencies,
            metadata=self.metadata,
            output_schema=self.output_schema,
        )

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """One run: the loop between model and tools, then the memories."""
        run = context.run
        run.model, run.model_provider = self.model.id, self.model.provider
        yield RunStarted(model=self.model.id, model_provider=self.model.provider)
        context.history = [message for message in context.history if message.role != "system"]
        run.messages.extend(await self._prompt.messages(context))
        loop = Loop(
            model=self.model,
            tools=self._tools(),
            context=context,
            tool_choice=self.tool_choice,
            tool_call_limit=self.tool_call_limit,
            retry=self._retry,
            agent=self,
        )
        async for event in loop.events():
            yield event
        if self.update_memory_on_run and self.db is not None:
            async for event in self.memory_manager.update(context, model=self.model, db=self.db):
                yield event

    def _tools(self) -> dict[str, Tool]:
        if not self.enable_agentic_memory or self.db is None:
            return self._own_tools
        return self._own_tools | collect([MemoryTools(self.db)])


def _at_least(parameter: str, value: int | None, least: int) -> int | None:
    if value is not None and value < least:
        raise ConfigurationError(f"{parameter}={value!r} can't work: give {least} or more.")
    return value
