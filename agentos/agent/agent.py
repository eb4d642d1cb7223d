"""An agent: a model, the tools it may call, and what it is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from agentos.agent.loop import Loop, Retry
from agentos.agent.prompt import Instructions, Prompt
from agentos.db.base import Db
from agentos.errors import ConfigurationError
from agentos.memory.manager import MemoryManager
from agentos.memory.tools import memory_tools
from agentos.models.base import Model
from agentos.models.catalog import resolve
from agentos.run.budget import Budget
from agentos.run.events import RunContinued, RunEvent, RunStarted
from agentos.run.request import Multitask, OutputSchema
from agentos.run.runnable import RunContext
from agentos.runner.local.methods import RunMethods
from agentos.runner.settings import RunSettings
from agentos.tools.tool import Tool
from agentos.tools.toolkit import AgentTools, ToolLike
from agentos.tools.toolset import Toolbox
from agentos.utils.slug import slug


class _ModelField:
    """Takes an adapter, `"provider:model-id"` or None for the default; gives the adapter."""

    DEFAULT = "openai:gpt-5.4-mini"

    def __get__(self, agent: Agent | None, owner: type[Agent]) -> Model:
        # Asked of the class, by @dataclass, it gives the default: nothing.
        return None if agent is None else agent.__dict__["model"]  # pyright: ignore[reportReturnType]

    def __set__(self, agent: Agent, model: Model | str | None) -> None:
        agent.__dict__["model"] = resolve(model or self.DEFAULT)


@dataclass(kw_only=True, eq=False, repr=False)
class Agent(RunMethods):
    """Give it a name, a model and tools; `run` it, or hand it to `AgentOS`.

    In everything it is told, `{name}` stands for a value of the session's state, the run's dependencies or
    its metadata. Settings that can't work raise ConfigurationError.
    """

    id: str = ""
    """Part of its address on a server; left out, it is made from `name`."""
    name: str | None = None
    model: _ModelField = _ModelField()
    """An adapter, or `"provider:model-id"`."""
    db: Db | None = None
    """Where its runs, sessions and memories are kept."""

    tools: Sequence[ToolLike] = ()
    """Functions, `@tool`s, toolkits, and toolsets whose tools are discovered when a run begins."""
    tool_call_limit: int | None = None
    """How many calls one run may make, over all its turns."""
    tool_choice: str | Mapping[str, Any] | None = None
    """As the provider takes it: `auto`, `none`, `required`, or one function."""

    role: str | None = None
    description: str | None = None
    instructions: Instructions = None
    """Text, a list of rules, or a function of the run."""
    system_message: Instructions = None
    """In place of everything else that the model would be told."""
    expected_output: str | None = None
    additional_context: str | None = None
    markdown: bool = False
    """Whether the model is asked for markdown."""
    add_name_to_context: bool = False
    add_datetime_to_context: bool = False
    timezone_identifier: str | None = None
    """Of the time that `add_datetime_to_context` tells: `Europe/Berlin`. Without it, the server's."""
    resolve_in_context: bool = True
    """Whether `{name}` is replaced."""

    add_history_to_context: bool = False
    num_history_runs: int = 3
    """How many of the session's last completed runs the model sees with `add_history_to_context`."""
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a new session begins with; tools may change their run's copy."""
    add_session_state_to_context: bool = False
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """For tools and instructions; a run's own go on top."""
    add_dependencies_to_context: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Stored with every run and shown by the server."""

    output_schema: OutputSchema | None = None
    """A pydantic class, or a JSON schema, that answers must fit."""

    memory_manager: MemoryManager = field(default_factory=MemoryManager)
    update_memory_on_run: bool = False
    """Whether the manager looks for things to remember after each run."""
    enable_agentic_memory: bool = False
    """Whether the model gets tools to remember with."""
    add_memories_to_context: bool | None = None
    """Left out: if either of the two above is set."""

    retries: int = 0
    """How often a model turn is tried again that failed before it showed anything."""
    delay_between_retries: float = 1.0
    """Seconds."""
    exponential_backoff: bool = False
    """Whether each delay is twice the one before."""
    stream_events: bool = False
    """Whether `stream=True` yields every event, not only the answer."""
    durable: bool = False
    """On a server: whether another process goes on with a run whose process died, at the step it was in."""
    multitask: Multitask | None = None
    """On a server: what a run does while another one of its session is live. None: they overlap."""
    budget: Budget = field(default_factory=Budget)
    """What one run may use up; more ends it with the error `budget_exceeded`."""

    kind: Literal["agent"] = field(default="agent", init=False)

    def __post_init__(self) -> None:
        for parameter, least in (("tool_call_limit", 0), ("num_history_runs", 1), ("retries", 0)):
            value: int | None = self.__dict__[parameter]
            if value is not None and value < least:
                raise ConfigurationError(f"{parameter}={value!r} can't work: give {least} or more.")
        if self.multitask not in {None, *get_args(Multitask)}:
            raise ConfigurationError(
                f"multitask={self.multitask!r} can't work: give one of {', '.join(get_args(Multitask))}."
            )
        self.id = self.id or slug(self.name or "") or "agent"
        if self.add_memories_to_context is None:
            self.add_memories_to_context = self.update_memory_on_run or self.enable_agentic_memory
        self._tools = AgentTools(self.tools)
        self._prompt = self._told()

    @property
    def settings(self) -> RunSettings:
        """What the runner needs to know before a run."""
        return RunSettings(
            db=self.db,
            history_runs=self.num_history_runs if self.add_history_to_context else 0,
            memories=bool(self.add_memories_to_context) or self.update_memory_on_run,
            session_state=self.session_state,
            dependencies=self.dependencies,
            metadata=self.metadata,
            output_schema=self.output_schema,
            durable=self.durable,
            multitask=self.multitask,
            budget=self.budget,
        )

    @property
    def known_tools(self) -> Mapping[str, Tool]:
        """Its tools by name, but for those that are discovered when a run begins."""
        return self._tools.known.tools

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """One run, or what is left of it: the loop between model and tools, then the memories."""
        model, run = self.model, context.run
        run.model, run.model_provider = model.id, model.provider
        context.history = [message for message in context.history if message.role != "system"]
        begun = bool(run.messages)
        yield RunContinued() if begun else RunStarted(model=model.id, model_provider=model.provider)
        async with self._tools.open(context, *self._memory_tools()) as toolbox:
            if not begun:
                run.messages.extend(await self._prompt.messages(context, toolbox.instructions))
            loop = Loop(
                model=model,
                tools=toolbox.tools,
                context=context,
                tool_choice=self.tool_choice,
                tool_call_limit=self.tool_call_limit,
                retry=Retry(self.retries, self.delay_between_retries, self.exponential_backoff),
                agent=self,
            )
            async with aclosing(loop.events()) as events:
                async for event in events:
                    yield event
        if self.update_memory_on_run and self.db is not None and not run.requirements:
            async for event in self.memory_manager.update(context, model=model, db=self.db):
                yield event

    async def aclose(self) -> None:
        """Closes what the model and the tools have opened in the running loop; the next run opens it anew."""
        try:
            await self.model.aclose()
        finally:
            await self._tools.aclose()

    def _memory_tools(self) -> list[Toolbox]:
        return [memory_tools(self.db)] if self.enable_agentic_memory and self.db is not None else []

    def _told(self) -> Prompt:
        return Prompt(
            name=self.name,
            role=self.role,
            description=self.description,
            instructions=self.instructions,
            system_message=self.system_message,
            expected_output=self.expected_output,
            additional_context=self.additional_context,
            markdown=self.markdown,
            add_name=self.add_name_to_context,
            add_datetime=self.add_datetime_to_context,
            timezone=self.timezone_identifier,
            add_session_state=self.add_session_state_to_context,
            add_dependencies=self.add_dependencies_to_context,
            add_memories=bool(self.add_memories_to_context),
            resolve=self.resolve_in_context,
        )
