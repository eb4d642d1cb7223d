"""Functions that a model may call."""

from agentos.tools.approval import approval
from agentos.tools.idempotency import idempotency_key
from agentos.tools.result import ToolError, ToolResult
from agentos.tools.tool import Tool, tool
from agentos.tools.toolkit import Toolkit, ToolLike, collect, instructions

__all__ = [
    "Tool",
    "ToolError",
    "ToolLike",
    "ToolResult",
    "Toolkit",
    "approval",
    "collect",
    "idempotency_key",
    "instructions",
    "tool",
]
