"""Shows a run in the terminal with rich: the message, the tool calls, and the answer as it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from agentos.run.events import (
    RunCancelled,
    RunCompleted,
    RunContent,
    RunError,
    RunEvent,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
)
from agentos.run.messages import ToolExecution
from agentos.run.text import json_of


async def show(
    source: AsyncGenerator[RunEvent], *, message: str | None, markdown: bool, console: Console | None
) -> None:
    """Prints the events of `source`. The final state stays on the screen."""
    screen = _Screen(message, markdown=markdown)
    with Live(screen.render(), console=console, refresh_per_second=12) as live:
        async for event in source:
            screen.take(event)
            live.update(screen.render())
    if not live.console.is_terminal:
        live.console.print()  # a file or a pipe gets no last line break from Live


class _Screen:
    def __init__(self, message: str | None, *, markdown: bool) -> None:
        self._message = message
        self._markdown = markdown
        self._tools: dict[str, ToolExecution] = {}
        self._reasoning = ""
        self._answer = ""
        self._structured = False
        self._title, self._colour = "Response", "blue"

    def take(self, event: RunEvent) -> None:
        match event:
            case RunContent():
                self._answer += str(event.content)
                self._reasoning += event.reasoning_content
            case ToolCallStarted() | ToolCallCompleted() | ToolCallError():
                self._tools[event.tool.tool_call_id] = event.tool
            case RunCompleted():
                self._complete(event)
            case RunError():
                self._answer, self._colour = event.content, "red"
                self._title = f"Error, error_id {event.error_id}" if event.error_id else "Error"
            case RunCancelled():
                self._title, self._colour = "Cancelled", "yellow"
            case _:
                pass

    def _complete(self, event: RunCompleted) -> None:
        seconds = event.metrics.duration if event.metrics else None
        self._title = "Response" if seconds is None else f"Response ({seconds:.1f}s)"
        if event.content_type != "str":
            self._structured = True
            self._answer = json_of(event.content)
        elif event.content:
            self._answer = str(event.content)

    def render(self) -> RenderableType:
        panels: list[RenderableType] = []
        if self._message is not None:
            panels.append(Panel(Text(self._message), title="Message", border_style="cyan"))
        if self._tools:
            lines = "\n".join(_tool_line(tool) for tool in self._tools.values())
            panels.append(Panel(Text(lines), title="Tool calls", border_style="magenta"))
        if self._reasoning:
            panels.append(Panel(Text(self._reasoning, style="dim"), title="Reasoning", border_style="dim"))
        panels.append(Panel(self._body(), title=self._title, border_style=self._colour))
        return Group(*panels)

    def _body(self) -> RenderableType:
        if self._structured:
            return JSON(self._answer)
        return Markdown(self._answer) if self._markdown else Text(self._answer)


def _tool_line(tool: ToolExecution) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in (tool.tool_args or {}).items())
    state = "failed" if tool.tool_call_error else "…" if tool.result is None else "done"
    return f"• {tool.tool_name}({arguments}) {state}"
