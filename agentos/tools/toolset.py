"""Sources of tools that are discovered when a run starts and available until its segment ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Tools that can be called now, by name, with their instructions."""

    tools: Mapping[str, Tool]
    notes: Sequence[str] = ()
    """The source's instructions for all of its tools."""

    @classmethod
    def of(cls, tools: Iterable[Tool], *notes: str) -> Toolbox:
        """Creates a toolbox. ConfigurationError if two tools have the same name."""
        found: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in found:
                raise ConfigurationError(f"Two tools are named {tool.name!r}: rename one with @tool(name=…).")
            found[tool.name] = tool
        return cls(found, notes)

    @classmethod
    def joined(cls, boxes: Sequence[Toolbox]) -> Toolbox:
        """Combines toolboxes. ConfigurationError as in `of`."""
        tools = [tool for box in boxes for tool in box.tools.values()]
        return cls.of(tools, *(note for box in boxes for note in box.notes))

    @property
    def instructions(self) -> Iterator[str]:
        """For the system message: the notes, then the instructions of single tools."""
        yield from self.notes
        for tool in self.tools.values():
            if tool.add_instructions and tool.instructions:
                yield tool.instructions


class Toolset(ABC):
    """A source of tools for an agent.

    `Toolkit` is a source whose tools are known from the start. Others, such as a server that lists its tools,
    implement `open`.
    """

    @abstractmethod
    def open(self, context: RunContext) -> AbstractAsyncContextManager[Toolbox]:
        """The tools that the run may call until the context is exited.

        Entered once per segment of a run, and exited in the same task. An exception fails the run. The text
        of an AgentOSError is shown; any other exception is only logged.
        """

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to close
        """Closes what is kept between runs in the running loop. The next run reopens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """Rules for some tools of a set. Each list contains names, or patterns such as `delete_*`.

    A name that matches no tool is a ConfigurationError, since it would protect nothing. So is such a pattern,
    except for discovered tools, which may differ between runs.
    """

    include_tools: Collection[str] | None = None
    """Only these tools are kept."""
    exclude_tools: Collection[str] = ()
    stop_after_tool_call_tools: Collection[str] = ()
    requires_confirmation_tools: Collection[str] = ()
    external_execution_required_tools: Collection[str] = ()
    timeout: float | None = None
    """Seconds, for tools without their own timeout."""

    def applied(self, box: Toolbox, *, owner: str, is_discovered: bool = False) -> Toolbox:
        """The remaining tools with the rules applied. `owner` names the set in errors."""
        for each in fields(self):
            if each.name == "timeout":
                continue
            names: Collection[str] = getattr(self, each.name) or ()
            expected = [name for name in names if not (is_discovered and _is_pattern(name))]
            self._check(each.name, expected, box.tools, owner)
        return replace(
            box, tools={name: self._ruled(tool) for name, tool in box.tools.items() if self._keeps(name)}
        )

    def _keeps(self, name: str) -> bool:
        included = self.include_tools is None or _among(name, self.include_tools)
        return included and not _among(name, self.exclude_tools)

    def _ruled(self, tool: Tool) -> Tool:
        name = tool.name
        return replace(
            tool,
            timeout=tool.timeout or self.timeout,
            stop_after_tool_call=tool.stop_after_tool_call or _among(name, self.stop_after_tool_call_tools),
            requires_confirmation=tool.requires_confirmation
            or _among(name, self.requires_confirmation_tools),
            external_execution=tool.external_execution
            or _among(name, self.external_execution_required_tools),
        )

    @staticmethod
    def _check(parameter: str, names: Collection[str], tools: Collection[str], owner: str) -> None:
        if unknown := sorted(name for name in names if not any(fnmatchcase(tool, name) for tool in tools)):
            raise ConfigurationError(
                f"{parameter} of {owner} names {unknown[0]!r}, but it has {sorted(tools)}."
            )


class RuledToolset(Toolset):
    """Another toolset with rules: fewer tools, or calls that need confirmation."""

    def __init__(self, toolset: Toolset, rules: ToolRules) -> None:
        self._toolset = toolset
        self._rules = rules

    def __repr__(self) -> str:
        return f"RuledToolset({self._toolset!r}, {self._rules!r})"

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncGenerator[Toolbox]:
        """Opens the other toolset and applies the rules."""
        async with self._toolset.open(context) as box:
            owner = f"the rules of a {type(self._toolset).__name__}"
            yield self._rules.applied(box, owner=owner, is_discovered=True)

    async def aclose(self) -> None:
        """Closes the other toolset."""
        await self._toolset.aclose()


def _among(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")
