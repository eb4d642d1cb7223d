"""`Agent`, and what agents and teams have in common: a model, what it is told, its tools, the loop."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, get_args

from agentos.agent.loop import Loop, Retry
from agentos.agent.prompt import Instructions, Prompt, is_instructions
from agentos.db.base import Db
from agentos.errors import ConfigurationError
from agentos.kinds import Kind
from agentos.memory.manager import MemoryManager
from agentos.memory.tools import memory_tools
from agentos.models.base import Model
from agentos.models.catalog import resolve
from agentos.run.budget import Budget
from agentos.run.events import RunContinued, RunEvent, RunStarted
from agentos.run.output_schema import output_schema
from agentos.run.request import Multitask
from agentos.run.runnable import RunContext
from agentos.runner.local.methods import RunMethods
from agentos.runner.settings import RunSettings
from agentos.tools.tool import Tool
from agentos.tools.toolkit import AgentTools, ToolLike
from agentos.tools.toolset import Toolbox
from agentos.utils.names import checks_parameters
from agentos.utils.slug import slug

logger = logging.getLogger("agentos.agent")

Rounds = Callable[[Loop], AsyncGenerator[RunEvent]]
"""Goes through the loop, once or several times."""


class _ModelField:
    """Accepts a model, `"provider:model-id"` or None for the default; the value is always a model."""

    DEFAULT = "openai:gpt-5.4-mini"

    def __get__(self, runnable: ModelRunnable | None, owner: type[ModelRunnable]) -> Model:
        # Asked of the class, by @dataclass, it gives the default: nothing.
        return None if runnable is None else vars(runnable)["model"]  # pyright: ignore[reportReturnType]

    def __set__(self, runnable: ModelRunnable, model: Model | str | None) -> None:
        vars(runnable)["model"] = resolve(model or self.DEFAULT)


@dataclass(kw_only=True, eq=False, repr=False)
class ModelRunnable(RunMethods, ABC):
    """A runnable that is a conversation between a model and its tools."""

    id: str = ""
    """Part of its URL on a server. Derived from `name` if left out."""
    name: str | None = None
    model: _ModelField = _ModelField()
    """A model, or `"provider:model-id"`."""
    db: Db | None = None
    """Stores its runs, sessions and memories."""

    tools: Sequence[ToolLike] | ToolLike = ()
    """Functions, `@tool`s, toolkits, and toolsets whose tools are discovered when a run starts."""
    tool_call_limit: int | None = None
    """Maximum number of tool calls in one run, across all turns."""
    tool_choice: str | Mapping[str, Any] | None = None
    """In the provider's format: `auto`, `none`, `required`, or one function."""

    role: str | None = None
    description: str | None = None
    instructions: Instructions = None
    """Text, a list of rules, or a function of the run."""
    system_message: Instructions = None
    """Replaces the whole generated system message."""
    expected_output: str | None = None
    additional_context: str | None = None
    markdown: bool = False
    """Whether to ask the model for Markdown."""
    add_name_to_context: bool = False
    add_datetime_to_context: bool = False
    timezone_identifier: str | None = None
    """Time zone for `add_datetime_to_context`, such as `Europe/Berlin`. Defaults to the server's."""
    resolve_in_context: bool = True
    """Whether `{name}` placeholders are replaced."""

    add_history_to_context: bool = False
    num_history_runs: int = 3
    """With `add_history_to_context`, how many of the session's last completed runs the model sees."""
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Initial state of a new session. Tools may change their run's copy."""
    add_session_state_to_context: bool = False
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Values for tools and instructions. Dependencies of a run override these."""
    add_dependencies_to_context: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Stored with every run and shown by the server."""

    output_schema: Any = None
    """What answers must match: a pydantic class, another type such as `list[City]`, or a JSON schema."""

    memory_manager: MemoryManager = field(default_factory=MemoryManager)
    update_memory_on_run: bool = False
    """Whether the memory manager extracts memories after each run."""
    enable_agentic_memory: bool = False
    """Whether the model gets tools to read and write memories."""
    add_memories_to_context: bool | None = None
    """Defaults to True if one of the two settings above is set."""

    retries: int = 0
    """How often to retry a model turn that failed before it produced any output."""
    delay_between_retries: float = 1.0
    """Seconds."""
    exponential_backoff: bool = False
    """Whether each delay is twice the previous one."""
    stream_events: bool = False
    """Whether `stream=True` yields all events, not only the answer."""
    durable: bool = False
    """On a server: whether another process resumes the run, at its current step, if its process dies."""
    multitask: Multitask | None = None
    """On a server: policy if the session already has a live run. None: the runs overlap."""
    budget: Budget = field(default_factory=Budget)
    """Limits on what one run may consume. Exceeding them fails the run with `budget_exceeded`."""

    def __post_init__(self) -> None:
        if self.tool_call_limit is not None:
            self._check_least(tool_call_limit=0)
        self._check_least(num_history_runs=1, retries=0)
        if self.multitask not in (None, *get_args(Multitask)):
            raise ConfigurationError(
                f"multitask={self.multitask!r} is invalid: give one of {', '.join(get_args(Multitask))}."
            )
        if isinstance(self.db, str):
            raise ConfigurationError("db is text: give PostgresDb(…) with that address.")
        self.output_schema = output_schema(self.output_schema)
        self.id = self.id or slug(self.name or "") or self.kind
        self._changes_memories = self.update_memory_on_run or self.enable_agentic_memory
        if self.add_memories_to_context is None:
            self.add_memories_to_context = self._changes_memories
        for parameter in ("instructions", "system_message"):
            if not is_instructions(self.__dict__[parameter]):
                raise ConfigurationError(f"{parameter} must be text, a list of texts, or a function.")
        self._has_warned = False
        self._tools = AgentTools(self.tools)
        self._prompt = self._told()

    def __repr__(self) -> str:
        # A model from elsewhere may show its key.
        model = f"{self.model.provider}:{self.model.id}"
        tools = list(self.known_tools)
        return f"{type(self).__name__}(id={self.id!r}, model={model!r}, tools={tools!r}, db={self.db!r})"

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Its registered kind."""

    @property
    def settings(self) -> RunSettings:
        """The settings that the runner reads before a run."""
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
        """Its tools by name, without those that are discovered when a run starts."""
        return self._tools.known.tools

    async def _conversation(
        self, context: RunContext, *boxes: Toolbox, about: str = "", rounds: Rounds = Loop.events
    ) -> AsyncGenerator[RunEvent]:
        """Executes a run, or the rest of one: the loop between model and tools, then the memory update.

        `boxes` are tools besides the runnable's own, `about` a part of the system message.
        """
        self._warn(context)
        model, run = self.model, context.run
        run.model, run.model_provider = model.id, model.provider
        context.history = [message for message in context.history if message.role != "system"]
        begun = bool(run.messages)
        yield RunContinued() if begun else RunStarted(model=model.id, model_provider=model.provider)
        async with self._tools.open(context, *self._memory_tools(), *boxes) as toolbox:
            if not begun:
                run.messages.extend(await self._prompt.messages(context, toolbox.instructions, about=about))
            loop = Loop(
                model=model,
                tools=toolbox.tools,
                context=context,
                tool_choice=self.tool_choice,
                tool_call_limit=self.tool_call_limit,
                retry=Retry(self.retries, self.delay_between_retries, self.exponential_backoff),
                agent=self,
            )
            async with aclosing(rounds(loop)) as events:
                async for event in events:
                    yield event
        if self.update_memory_on_run and self.db is not None and not run.active_requirements:
            async for event in self.memory_manager.update(context, model=model, db=self.db):
                yield event

    async def aclose(self) -> None:
        """Closes connections of the model and tools in the running event loop. The next run reopens them."""
        try:
            await self.model.aclose()
        finally:
            await self._tools.aclose()

    def _warn(self, context: RunContext) -> None:
        """Logs once which settings do nothing because there is no database."""
        if self.db is not None or self._has_warned or context.run.parent_run_id is not None:
            return
        switches = {
            "add_history_to_context": self.add_history_to_context or context.request.history,
            "enable_agentic_memory": self.enable_agentic_memory,
            "update_memory_on_run": self.update_memory_on_run,
            "add_memories_to_context": self.add_memories_to_context and not self._changes_memories,
            "durable": self.durable,
            "multitask": self.multitask,
        }
        if ignored := [name for name, value in switches.items() if value]:
            self._has_warned = True
            logger.warning(
                "%s %r has no db, so it ignores %s: pass db=…",
                *(self.kind.capitalize(), self.id, ", ".join(ignored)),
            )

    def _check_least(self, **least: int) -> None:
        """ConfigurationError for a parameter that isn't a whole number of at least this."""
        for parameter, minimum in least.items():
            value: object = vars(self)[parameter]
            if not isinstance(value, int) or value < minimum:
                raise ConfigurationError(
                    f"{parameter}={value!r} is invalid: give a whole number, {minimum} or more."
                )

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


@checks_parameters
@dataclass(kw_only=True, eq=False, repr=False)
class Agent(ModelRunnable):
    """Give it a name, a model and tools. Then `run` it, or pass it to `AgentOS`.

    In all of its instructions, `{name}` is replaced by a value from the session state, the run's dependencies
    or its metadata. Invalid settings raise ConfigurationError.
    """

    @property
    def kind(self) -> Kind:
        """`agent`."""
        return "agent"

    def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """Executes a run, or the rest of one: the loop between model and tools, then the memory update."""
        return self._conversation(context)
