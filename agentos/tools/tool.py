"""A function that a model may call: its description, its checked arguments, its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's answer to the model. An error is an answer too."""

    content: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A callable with everything a model must know of it."""

    name: str
    description: str
    parameters: dict[str, Any]
    """The JSON schema of its arguments."""
    function: Callable[..., Any]
    timeout: float | None = None
    """Seconds one call may take."""
    stop_after_tool_call: bool = False
    """The run ends after this call; its answer is the run's."""
