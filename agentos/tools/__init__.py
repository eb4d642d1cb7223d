"""Functions that a model may call."""

from agentos.tools.result import ToolError, ToolResult
from agentos.tools.tool import Tool, tool
from agentos.tools.toolkit import Toolkit, ToolLike, collect, instructions

__all__ = ["tool", "Tool", "Toolkit", "ToolLike", "ToolResult", "ToolError", "collect", "instructions"]
