"""Tools that are known from the start, and the collection of all tools of an agent."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools.tool import Tool
from agentos.tools.toolset import Toolbox, ToolRules, Toolset
from agentos.utils.names import checks_parameters

_logger = logging.getLogger(__name__)


@checks_parameters
class Toolkit(Toolset):
    """A group of tools. A subclass passes its own bound methods as `tools`.

    The other parameters are those of `ToolRules`. ConfigurationError if a list names an unknown tool.
    """

    def __init__(
        self,
        name: str = "toolkit",
        tools: Sequence[Tool | Callable[..., Any]] = (),
        *,
        instructions: str | None = None,
        add_instructions: bool = False,
        include_tools: Collection[str] | None = None,
        exclude_tools: Collection[str] = (),
        stop_after_tool_call_tools: Collection[str] = (),
        requires_confirmation_tools: Collection[str] = (),
        external_execution_required_tools: Collection[str] = (),
        timeout: float | None = None,
    ) -> None:
        self.name = name
        self.instructions = instructions
        """Instructions for the system message."""
        self.add_instructions = add_instructions
        """Whether `instructions` go into the system message."""
        rules = ToolRules(
            include_tools=include_tools,
            exclude_tools=exclude_tools,
            stop_after_tool_call_tools=stop_after_tool_call_tools,
            requires_confirmation_tools=requires_confirmation_tools,
            external_execution_required_tools=external_execution_required_tools,
            timeout=timeout,
        )
        self.tools = rules.applied(Toolbox.of(map(_as_tool, tools)), owner=f"the toolkit {name!r}").tools

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, tools={list(self.tools)!r})"

    @property
    def toolbox(self) -> Toolbox:
        """What `open` gives."""
        notes = [self.instructions] if self.add_instructions and self.instructions else []
        return Toolbox(self.tools, notes)

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncGenerator[Toolbox]:
        """The same tools for every run."""
        yield self.toolbox


ToolLike = Tool | Toolset | Callable[..., Any]
"""Anything that an agent accepts in `tools`."""


class AgentTools:
    """All tools of one agent. ConfigurationError if they conflict."""

    def __init__(self, given: Iterable[ToolLike] | ToolLike) -> None:
        known: list[Toolbox] = []
        self._discovered: list[Toolset] = []
        listed = cast("Iterable[ToolLike]", given) if isinstance(given, Iterable) else [given]
        for each in listed:
            if isinstance(each, Toolset) and not isinstance(each, Toolkit):
                self._discovered.append(each)
            else:
                known.append(each.toolbox if isinstance(each, Toolkit) else Toolbox.of([_as_tool(each)]))
        self.known = _checked(known)
        """Tools that are known without discovery."""

    @asynccontextmanager
    async def open(self, context: RunContext, *more: Toolbox) -> AsyncGenerator[Toolbox]:
        """The tools that one run may call, including `more`; discovered ones come last."""
        if not self._discovered and not more:
            yield self.known
            return
        async with AsyncExitStack() as stack:
            found = [await stack.enter_async_context(each.open(context)) for each in self._discovered]
            yield _checked([self.known, *more, *found])
            try:
                await stack.aclose()
            except Exception:
                _logger.warning("Failed to close a toolset of run %s", context.run_id, exc_info=True)

    async def aclose(self) -> None:
        """Closes what is kept between runs in the running loop."""
        for each in self._discovered:
            await each.aclose()


def _checked(boxes: Sequence[Toolbox]) -> Toolbox:
    box = Toolbox.joined(boxes)
    for tool in box.tools.values():
        if tool.approval is not None and not tool.needs_person:
            raise ConfigurationError(
                f"The tool {tool.name!r} has an approval of type 'audit' but waits for no one whose decision "
                "could be recorded: set requires_confirmation, requires_user_input or external_execution."
            )
    return box


def _as_tool(item: Tool | Callable[..., Any]) -> Tool:
    tool = item if isinstance(item, Tool) else Tool.of(item)
    if not tool.is_bound:
        raise ConfigurationError(
            f"The tool {tool.name!r} is a method of a class: pass the method of an object."
        )
    return tool
