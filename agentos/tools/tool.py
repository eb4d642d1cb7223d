"""A function that a model may call, with its description, arguments and answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast, overload

from agentos.errors import AgentOSError, ConfigurationError, RunLostError
from agentos.models.base import ToolSpec
from agentos.run.runnable import RunContext
from agentos.tasks import StrayError, contained
from agentos.tools import docstring, schema
from agentos.tools.arguments import Arguments
from agentos.tools.result import NestedResult, ToolError, ToolResult, join, join_async, to_text
from agentos.tools.threads import ToolThreads
from agentos.utils.names import hint

if TYPE_CHECKING:
    from agentos.tools.approval import ApprovalRule

DEFAULT_TIMEOUT = 60.0
"""Seconds per call for tools without a timeout."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_log = logging.getLogger(__name__)
# Our own: calls that hang must not starve the loop's default threads, which look up host names too.
_threads = ToolThreads()


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A function with everything that a model needs to know about it; created by `@tool` or `Tool.of`.

    Calling it calls the function. In a class it binds like a method.
    """

    name: str
    description: str
    function: Callable[..., Any] = field(repr=False)
    arguments: Arguments = field(repr=False)
    timeout: float | None = None
    """Seconds per call; None is DEFAULT_TIMEOUT.

    An async function is cancelled. A sync one continues in its thread, which can't be stopped: its answer is
    discarded, and the process can't exit before it returns. Waiting for a thread counts: see
    `ThreadLimits`. Waiting for the turn of a function that takes the state doesn't."""
    stop_after_tool_call: bool = False
    """Whether the run ends after this call, with the call's answer as its own."""
    strict: bool = False
    """Whether the provider enforces the schema. The model then gives every parameter, including those with
    defaults."""
    instructions: str | None = None
    """Instructions for the system message."""
    add_instructions: bool = True
    """Whether `instructions` go into the system message."""
    requires_confirmation: bool = False
    """Whether each call waits for confirmation."""
    requires_user_input: bool = False
    """Whether each call waits for arguments from a person, which are hidden from the model."""
    user_input_fields: Sequence[str] = ()
    """The arguments to ask for. All of them if only `requires_user_input` is set."""
    external_execution: bool = False
    """Whether the call is executed elsewhere. The function is never called; the answer comes when the run is
    continued."""
    idempotent: bool = True
    """False: an interrupted call isn't repeated after a crash until a person confirms it."""
    begins_runs: bool = False
    """Whether it works by nested runs. Their rows are its record, and the run's budget is its time limit."""
    approval: ApprovalRule | None = None
    """Approval by someone else; set by `@approval`."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"The tool name {self.name!r} isn't 1 to 64 letters, digits, _ or -: set @tool(name=…)."
            )
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigurationError(
                f"The tool {self.name!r} needs a timeout of more than 0 seconds, or None."
            )
        if problem := self._contradiction():
            raise ConfigurationError(f"The tool {self.name!r} {problem}")

    @classmethod
    def of(
        cls, function: Callable[..., Any], *, name: str | None = None, description: str | None = None
    ) -> Tool:
        """Creates a tool from a function or method, with its name, description and schema.

        ConfigurationError names a parameter that no model can fill.
        """
        if inspect.ismethod(function) and isinstance(function.__func__, Tool):
            return function.__func__.__get__(function.__self__)  # a classmethod, from Python 3.13 on
        if not (inspect.isfunction(function) or inspect.ismethod(function)):
            raise ConfigurationError(
                f"{function!r} is not a function or method: wrap it in one to make it a tool."
            )
        doc = docstring.parse(inspect.getdoc(function))
        return cls(
            name=name or function.__name__,
            description=doc.description if description is None else description,
            function=function,
            arguments=schema.arguments(function, doc.parameters),
        )

    @property
    def spec(self) -> ToolSpec:
        """The tool as described to a model."""
        hidden = self.asked
        schema = self.arguments.without(hidden) if hidden else self.arguments.schema
        return ToolSpec(self.name, self.description, schema, self.strict)

    @property
    def asked(self) -> Sequence[str]:
        """The parameters that a person fills in."""
        return (self.user_input_fields or tuple(self.arguments.fields)) if self.requires_user_input else ()

    @property
    def needs_confirmation(self) -> bool:
        """Whether the user or another person must confirm each call."""
        return self.requires_confirmation or (self.approval is not None and self.approval.type == "required")

    @property
    def needs_person(self) -> bool:
        """Whether a run pauses at its calls."""
        return self.needs_confirmation or self.requires_user_input or self.external_execution

    @property
    def is_bound(self) -> bool:
        """False for a method taken from a class instead of an object, which a run can't call."""
        return not self.arguments.takes_self or inspect.ismethod(self.function)

    async def call(self, arguments: str, context: RunContext, *, agent: object | None = None) -> ToolResult:
        """Calls the function with a model's JSON text. Errors become answers, not exceptions.

        Sync functions run in a thread, with the caller's context variables. Calls may overlap, except those
        of sync functions that take the run or the session's state: in a tree of runs they take turns. The
        timeout of such a call begins with its turn, and ends it: its thread continues, but the next call
        doesn't wait for it. What the function changes in the state after that isn't guarded.

        Only RunLostError is raised: a nested run has found that another process has the run.
        """
        seconds = self.timeout or DEFAULT_TIMEOUT
        limit = asyncio.timeout(None)
        try:
            with contained():
                values = self.arguments.inject(self.arguments.parse(arguments), context, agent)
                async with limit, AsyncExitStack() as turn:
                    if not self._is_async and self.arguments.share_state:
                        await turn.enter_async_context(context.state.turn)
                    if not self.begins_runs:
                        limit.reschedule(asyncio.get_running_loop().time() + seconds)
                    answer = await self._result(values, context.user_id, turn)
            return answer if isinstance(answer, ToolResult) else ToolResult(to_text(answer))
        except RunLostError:
            raise
        except ToolError as error:
            return ToolResult(to_text(str(error)), error=True)
        except Exception as error:  # noqa: BLE001 - a stranger's function must not end the run
            if isinstance(error, TimeoutError) and limit.expired():
                return ToolResult(f"{self.name} gave no answer within {seconds:g} seconds.", error=True)
            if self.begins_runs and isinstance(error, AgentOSError):  # as of a nested run that can't begin
                return NestedResult(str(error), error=True, failure=error)
            raised = error.raised if isinstance(error, StrayError) else error
            _log.error("tool %s failed in run %s", self.name, context.run_id, exc_info=raised)
            return ToolResult(f"{self.name} failed with {type(raised).__name__}.", error=True)

    def _contradiction(self) -> str | None:
        if self.requires_confirmation + self.requires_user_input + self.external_execution > 1:
            return (
                "can have one of requires_confirmation, requires_user_input and external_execution: drop "
                "the others."
            )
        if self.external_execution and not self.idempotent:
            return "is executed elsewhere: drop idempotent=False, which can't guard it."
        if self.user_input_fields and not self.requires_user_input:
            return "has user_input_fields that nobody asks for: set requires_user_input=True."
        if self.requires_user_input and not self.arguments.fields:
            return "has no parameters that a person could fill: drop requires_user_input."
        if unknown := sorted(set(self.user_input_fields) - set(self.arguments.fields)):
            return f"has no parameter {unknown[0]!r}, which user_input_fields names."
        return None

    @property
    def _is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function)

    async def _result(self, values: dict[str, Any], user_id: str | None, turn: AsyncExitStack) -> object:
        if self._is_async:
            result = self.function(**values)
        else:
            work, variables = partial(_call, self.function, values), copy_context()
            result = await _threads.run(lambda: variables.run(work), user_id=user_id)
        await turn.aclose()  # what the function returned may take long, or need the turn itself
        if inspect.isawaitable(result):
            result = await result
        if inspect.isasyncgen(result):
            async with aclosing(result):
                return await join_async(result)
        return result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function directly."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object | None, owner: type | None = None) -> Tool:
        if instance is None or self.is_bound:
            return self
        return replace(self, function=MethodType(self.function, instance))


class ToolOptions(TypedDict, total=False):
    """The fields of `Tool` that `@tool` sets."""

    timeout: float | None
    stop_after_tool_call: bool
    strict: bool
    instructions: str | None
    add_instructions: bool
    requires_confirmation: bool
    requires_user_input: bool
    user_input_fields: Sequence[str]
    external_execution: bool
    idempotent: bool


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, **options: Unpack[ToolOptions]
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    **options: Unpack[ToolOptions],
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Turns a function into a tool, as `@tool` or `@tool(name=…, …)`. The keywords are `Tool`'s fields."""

    for option in options:
        if option not in (known := ToolOptions.__annotations__):
            raise ConfigurationError(f"@tool has no parameter {option!r}.{hint(option, known)}")

    def make(function: Callable[..., Any]) -> Tool:
        if isinstance(function, classmethod):
            return cast("Tool", classmethod(make(function.__func__)))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - untyped
        if isinstance(function, staticmethod):
            function = function.__func__
        if not isinstance(function, Tool):
            return replace(Tool.of(function, name=name, description=description), **options)
        made = replace(function, **options)
        told = made.description if description is None else description
        return replace(made, name=name or made.name, description=told)

    return make if function is None else make(function)


def _call(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    try:
        with contained():  # a future that carries GeneratorExit or CancelledError would end who waits for it
            result = function(**values)
            if not inspect.isgenerator(result):
                return result
            with closing(result):
                return join(result)
    except StopIteration as error:
        # A future can't carry it: the waiting side would wait for ever.
        raise RuntimeError("the tool raised StopIteration") from error
