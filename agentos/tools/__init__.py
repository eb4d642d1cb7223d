"""Functions that a model may call."""

from agentos.tools.approval import approval
from agentos.tools.idempotency import idempotency_key
from agentos.tools.result import ToolError, ToolResult
from agentos.tools.tool import Tool, tool
from agentos.tools.toolkit import Toolkit, ToolLike
from agentos.tools.toolset import RuledToolset, Toolbox, ToolRules, Toolset

__all__ = [
    "RuledToolset",
    "Tool",
    "ToolError",
    "ToolLike",
    "ToolResult",
    "ToolRules",
    "Toolbox",
    "Toolkit",
    "Toolset",
    "approval",
    "idempotency_key",
    "tool",
]
