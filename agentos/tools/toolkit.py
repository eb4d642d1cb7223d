"""Tools that belong together, and the one set of tools that an agent makes of all it is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agentos.errors import ConfigurationError
from agentos.tools.tool import Tool


class Toolkit:
    """Tools that belong together; a subclass passes its own bound methods as `tools`.

    `include_tools` keeps only the named ones, `exclude_tools` leaves those out, `timeout` (seconds) is for
    tools without one of their own. The other lists say for the named ones what `Tool` says for one.
    ConfigurationError if a list names a tool that isn't there.
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
        """How to use the tools, for the system message."""
        self.add_instructions = add_instructions
        """Whether `instructions` go into the system message."""
        given = _by_name(map(_as_tool, tools))
        self._check("include_tools", include_tools or (), given)
        self._check("exclude_tools", exclude_tools, given)
        self._check("stop_after_tool_call_tools", stop_after_tool_call_tools, given)
        self._check("requires_confirmation_tools", requires_confirmation_tools, given)
        self._check("external_execution_required_tools", external_execution_required_tools, given)
        kept = set(given if include_tools is None else include_tools) - set(exclude_tools)
        self.tools: Mapping[str, Tool] = {
            tool.name: replace(
                tool,
                timeout=tool.timeout or timeout,
                stop_after_tool_call=tool.stop_after_tool_call or tool.name in stop_after_tool_call_tools,
                requires_confirmation=tool.requires_confirmation or tool.name in requires_confirmation_tools,
                external_execution=tool.external_execution or tool.name in external_execution_required_tools,
            )
            for tool in given.values()
            if tool.name in kept
        }

    def _check(self, parameter: str, names: Collection[str], given: Collection[str]) -> None:
        if unknown := sorted(set(names) - set(given)):
            raise ConfigurationError(
                f"{parameter} of the toolkit {self.name!r} names {unknown[0]!r}, but it has {sorted(given)}."
            )


ToolLike = Tool | Toolkit | Callable[..., Any]
"""What an agent takes in `tools`."""


def collect(tools: Iterable[ToolLike]) -> dict[str, Tool]:
    """All tools by name, in the order given; ConfigurationError if two have the same name."""
    found = _by_name(tool for item in tools for tool in _unfold(item))
    for tool in found.values():
        if tool.approval is not None and not tool.needs_person:
            raise ConfigurationError(
                f"The tool {tool.name!r} has an approval of type 'audit' but waits for nobody whose decision "
                "could be recorded: set requires_confirmation, requires_user_input or external_execution."
            )
    return found


def instructions(tools: Iterable[ToolLike]) -> list[str]:
    """What toolkits and tools want the system message to say, in the order given."""
    holders: list[Tool | Toolkit] = []
    for item in tools:
        if isinstance(item, Toolkit):
            holders += [item, *item.tools.values()]
        elif isinstance(item, Tool):
            holders.append(item)
    return [holder.instructions for holder in holders if holder.add_instructions and holder.instructions]


def _unfold(item: ToolLike) -> Iterable[Tool]:
    return item.tools.values() if isinstance(item, Toolkit) else (_as_tool(item),)


def _as_tool(item: Tool | Callable[..., Any]) -> Tool:
    tool = item if isinstance(item, Tool) else Tool.of(item)
    if not tool.is_bound:
        raise ConfigurationError(
            f"The tool {tool.name!r} is a method of a class: pass the method of an object."
        )
    return tool


def _by_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    found: dict[str, Tool] = {}
    for tool in tools:
        if tool.name in found:
            raise ConfigurationError(f"Two tools are named {tool.name!r}: rename one with @tool(name=…).")
        found[tool.name] = tool
    return found
