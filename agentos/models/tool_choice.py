"""Interprets `ModelRequest.tool_choice`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MODES = {"auto", "none", "required"}


def chosen_tool(choice: str | Mapping[str, Any] | None) -> str | None:
    """The one tool that the model must call; None for `auto`, `none`, `required` and no choice.

    A choice is the tool's name, or an object in the format of either OpenAI API.
    """
    if choice is None or isinstance(choice, str):
        return None if choice in _MODES else choice
    function = choice.get("function", choice)
    return str(function["name"]) if "name" in function else None
