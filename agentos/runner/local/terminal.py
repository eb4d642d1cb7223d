"""Shows a run in the terminal with rich: message, tool calls, nested runs, and the answer as it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from agentos.run.events import (
    Origin,
    RunCancelled,
    RunCompleted,
    RunContent,
    RunError,
    RunEvent,
    RunPaused,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
)
from agentos.run.messages import ToolExecution
from agentos.run.text import json_of


async def show(
    source: AsyncGenerator[RunEvent],
    *,
    message: str | None,
    markdown: bool,
    members: bool,
    console: Console | None,
) -> None:
    """Prints the events of `source`. The final state stays on the screen.

    With `members`, the answers of nested runs have panels too; otherwise each nested run has one line.
    """
    screen = _Screen(message, markdown=markdown, members=members)
    with Live(screen.render(), console=console, refresh_per_second=12) as live:
        async for event in source:
            screen.take(event)
            live.update(screen.render())
    if not live.console.is_terminal:
        live.console.print()  # a file or a pipe gets no last line break from Live


class _Screen:
    def __init__(self, message: str | None, *, markdown: bool, members: bool) -> None:
        self._message = message
        self._markdown = markdown
        self._shows_members = members
        self._root = _Answer(None)
        self._nested: dict[str, _Answer] = {}
        """By run id, in the order in which the runs began."""

    def take(self, event: RunEvent) -> None:
        origin = event.origin
        if origin is None or origin.parent_run_id is None:
            self._root.take(event)
        else:
            self._nested.setdefault(origin.run_id, _Answer(origin)).take(event)

    def _in_order(self, parent: str | None = None) -> Iterator[_Answer]:
        """Nested runs, each followed by those below it."""
        for run_id, answer in self._nested.items():
            if answer.depth == 1 if parent is None else answer.parent == parent:
                yield answer
                yield from self._in_order(run_id)

    def render(self) -> RenderableType:
        panels: list[RenderableType] = []
        if self._message is not None:
            panels.append(Panel(Text(self._message), title="Message", border_style="cyan"))
        root, nested = self._root, list(self._in_order())
        if root.tools:
            lines = "\n".join(_tool_line(tool) for tool in root.tools.values())
            panels.append(Panel(Text(lines), title="Tool calls", border_style="magenta"))
        if nested:
            lines = "\n".join(answer.line() for answer in nested)
            panels.append(Panel(Text(lines), title="Members", border_style="green"))
        if self._shows_members:
            said = (answer for answer in nested if answer.text)
            panels.extend(answer.panel(markdown=self._markdown) for answer in said)
        if root.reasoning:
            panels.append(Panel(Text(root.reasoning, style="dim"), title="Reasoning", border_style="dim"))
        panels.append(root.panel(markdown=self._markdown))
        return Group(*panels)


class _Answer:
    """What one run has said and done so far."""

    def __init__(self, origin: Origin | None) -> None:
        self.tools: dict[str, ToolExecution] = {}
        self.reasoning = ""
        self.text = ""
        self.depth = origin.nested_depth if origin else 0
        self.parent = origin.parent_run_id if origin else None
        self._name = origin and (origin.name or origin.id)
        """None for the root run."""
        self._state: _State = "…"
        self._detail = ""
        self._structured = False

    def take(self, event: RunEvent) -> None:
        match event:
            case RunContent():
                self.text += str(event.content)
                self.reasoning += event.reasoning_content
            case ToolCallStarted() | ToolCallCompleted() | ToolCallError():
                self.tools[event.tool.tool_call_id] = event.tool
            case RunCompleted():
                self._complete(event)
            case RunPaused():
                self._state = "waits"
                calls = (_call(each.tool_execution) for each in event.requirements)
                waiting = [f"Waits for a person: `{call}`" for call in calls]
                self.text = "\n\n".join([self.text, *waiting] if self.text else waiting)
            case RunError():
                self._state, self.text = "failed", event.content
                self._detail = f", error_id {event.error_id}" if event.error_id else ""
            case RunCancelled():
                self._state = "cancelled"
            case _:
                pass

    def _complete(self, event: RunCompleted) -> None:
        self._state = "done"
        seconds = event.metrics.duration if event.metrics else None
        self._detail = "" if seconds is None else f" ({seconds:.1f}s)"
        if event.content_type != "str":
            self._structured = True
            self.text = json_of(event.content)
        elif event.content:
            self.text = str(event.content)

    def line(self) -> str:
        """The run's state in one line, indented below its parent."""
        return f"{'  ' * (self.depth - 1)}• {self._name} {self._state}"

    def panel(self, *, markdown: bool) -> Panel:
        title, colour = _LOOKS[self._state]
        title = title if self._name is None else self._name
        return Panel(self._body(markdown=markdown), title=title + self._detail, border_style=colour)

    def _body(self, *, markdown: bool) -> RenderableType:
        if self._structured:
            return JSON(self.text)
        return Markdown(self.text) if markdown else Text(self.text)


_State = Literal["…", "done", "failed", "cancelled", "waits"]
_LOOKS: Mapping[_State, tuple[str, str]] = {
    "…": ("Response", "blue"),
    "done": ("Response", "blue"),
    "failed": ("Error", "red"),
    "cancelled": ("Cancelled", "yellow"),
    "waits": ("Paused", "yellow"),
}
"""Title and colour of a root run's answer; a nested run's title is its name."""


def _tool_line(tool: ToolExecution) -> str:
    state = "failed" if tool.tool_call_error else "…" if tool.result is None else "done"
    return f"• {_call(tool)} {state}"


def _call(tool: ToolExecution) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in (tool.tool_args or {}).items())
    return f"{tool.tool_name}({arguments})"
