"""Calls that somebody else than the run's user must agree to, or is told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from agentos.errors import ConfigurationError
from agentos.run.requirement import ApprovalType
from agentos.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """What `@approval` says of a tool."""

    type: ApprovalType = "required"
    expires_in: float | None = None
    """Seconds after which a call that nobody has approved can't be approved any more."""

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
    """Makes a function, or a tool, one whose calls are approved: above or below `@tool`, or without it.

    With `required` each call waits for an approver, whatever else it waits for. `audit` is for tools that
    wait for the run's user, and records their decision.
    """
    wanted = ApprovalRule(type, expires_in)

    def make(function: Callable[..., Any]) -> Tool:
        made = function if isinstance(function, Tool) else Tool.of(function)
        return replace(made, approval=wanted)

    return make if function is None else make(function)
