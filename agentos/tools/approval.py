"""Tool calls that someone other than the run's user must approve, or that are recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from agentos.errors import ConfigurationError
from agentos.run.requirement import ApprovalType
from agentos.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """The settings of `@approval` for a tool."""

    type: ApprovalType = "required"
    expires_in: float | None = None
    """Seconds after which an undecided call can't be approved any more."""

    def __post_init__(self) -> None:
        if self.expires_in is not None and not self.expires_in > 0:
            raise ConfigurationError("@approval needs an expires_in of more than 0 seconds, or None.")


@overload
def approval(function: Callable[..., Any], /) -> Tool: ...
@overload
def approval(
    *, type: ApprovalType = "required", expires_in: float | None = None
) -> Callable[[Callable[..., Any]], Tool]: ...
def approval(
    function: Callable[..., Any] | None = None,
    /,
    *,
    type: ApprovalType = "required",  # noqa: A002 - the peer's name
    expires_in: float | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Requires approval for the calls of a function or tool. Use it above, below or without `@tool`.

    With `required`, each call waits for an approver, in addition to other input. `audit` is for tools that
    wait for the run's user, and records the user's decision.
    """
    wanted = ApprovalRule(type, expires_in)

    def make(function: Callable[..., Any]) -> Tool:
        made = function if isinstance(function, Tool) else Tool.of(function)
        return replace(made, approval=wanted)

    return make if function is None else make(function)
