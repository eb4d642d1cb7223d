"""The steps of a durable run: what each of them came to is written down, and never done again.

Where it is written, the runtime knows (`agentos.runner.durable.runtime`). What is written is JSON: the result
or the error that ended the step, and what the step changed in the session's state.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Protocol, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from agentos.errors import AgentOSError
from agentos.models.base import ModelDelta, ModelResponse
from agentos.run.records import Json
from agentos.run.runnable import RunContext
from agentos.tools.result import ToolResult

T = TypeVar("T")

Tag = Literal["model_response", "tool_result", "json", "error"]

_TAGS: Mapping[type, Tag] = {ModelResponse: "model_response", ToolResult: "tool_result"}


@dataclass(frozen=True, slots=True)
class StepError:
    """How a step failed, as the caller may know it."""

    code: str
    text: str


_TYPES: Mapping[Tag, Any] = {
    "model_response": ModelResponse,
    "tool_result": ToolResult,
    "json": JsonValue,
    "error": StepError,
}


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is kept of one step."""

    type: Tag
    number: int
    """The how-manieth record of its run it is: of two steps that changed a key, the later one counts."""
    value: Any = None
    """Of the type that the tag says; once stored and read, its JSON."""
    put: Json = field(default_factory=dict[str, Any])
    """The top-level keys of the session's state that the step set, and to what."""
    removed: list[str] = field(default_factory=list[str])

    def plain(self) -> Json:
        """What is to be stored, without classes."""
        value = _adapter(self.type).dump_python(self.value)
        return {
            "type": self.type,
            "number": self.number,
            "value": value,
            "put": self.put,
            "removed": self.removed,
        }

    def result(self) -> Any:
        """The step's last item, made anew; an AgentOSError, which is to be raised, if it failed."""
        value = _adapter(self.type).validate_python(self.value)
        if isinstance(value, StepError):
            return _failure(value)
        return value


class Recorder(Protocol):
    """Where the records of one segment of a run are kept."""

    @property
    def recorded(self) -> Mapping[str, StepRecord]:
        """By name: the steps that an earlier execution of the segment completed."""
        ...

    async def record(self, name: str, record: StepRecord) -> None:
        """Keeps it for good before returning, also if cancelled meanwhile.

        RunLostError if the run is another process's now.
        """
        ...


recording: ContextVar[Recorder] = ContextVar("agentos_recording")
"""Set by the runtime around the execution of a segment."""


class RecordedSteps:
    """`run.runnable.Steps` of a run that survives its process. Made inside the execution of a segment.

    A step whose source ends in a ModelResponse, a ToolResult or plain JSON is recorded with it; ending in
    anything else is a TypeError. Deltas of a model are passed on as they come, other items once the next one
    has, for the last one is recorded first. An AgentOSError is recorded too, so that the run ends the same
    way everywhere; after any other exception, or a cancellation, the step is simply not done.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._recorder = recording.get()
        self._number = max((each.number for each in self._recorder.recorded.values()), default=0)
        self._names: set[str] = set()
        self._put_by: dict[str, int] = {}

    def __call__(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """Yields what `source()` does, or the recorded result alone."""
        if name in self._names:
            raise ValueError(f"Two steps of one run are called {name!r}; results are recorded by name.")
        self._names.add(name)
        record = self._recorder.recorded.get(name)
        return self._again(record) if record else self._first(name, source)

    async def _again(self, record: StepRecord) -> AsyncGenerator[Any]:
        for key in self._not_outdone(record, record.put):
            self._context.session_state[key] = record.put[key]
        for key in self._not_outdone(record, record.removed):
            self._context.session_state.pop(key, None)
        result = record.result()
        if isinstance(result, AgentOSError):
            raise result
        yield result

    async def _first(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        before = deepcopy(self._context.session_state)
        last: list[T] = []
        try:
            async with aclosing(source()) as items:
                async for item in items:
                    if isinstance(item, ModelDelta):
                        yield item
                        continue
                    for earlier in last:
                        yield earlier
                    last = [item]
        except AgentOSError as error:
            await self._record(name, "error", StepError(error.code, str(error)), before)
            raise
        for item in last:
            await self._record(name, tag_of(item), item, before)
            yield item

    async def _record(self, name: str, tag: Tag, value: object, before: Json) -> None:
        state = self._context.session_state
        # Copied, for other steps may change it while it is being written.
        put = deepcopy({key: item for key, item in state.items() if key not in before or before[key] != item})
        removed = [key for key in before if key not in state]
        self._number += 1
        await self._recorder.record(name, StepRecord(tag, self._number, value, put, removed))

    def _not_outdone(self, record: StepRecord, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that no later record has changed; steps at the same time end in any order."""
        mine = [key for key in keys if self._put_by.get(key, 0) <= record.number]
        self._put_by.update(dict.fromkeys(mine, record.number))
        return mine


def tag_of(value: object) -> Tag:
    """As what a result is recorded; TypeError if it can't be."""
    if tag := _TAGS.get(type(value)):
        return tag
    try:
        _adapter("json").validate_python(value, strict=True)
    except ValidationError:
        known = ", ".join(kind.__name__ for kind in _TAGS)
        raise TypeError(
            f"A durable step must end in plain JSON or one of {known}, not in {type(value).__name__}."
        ) from None
    return "json"


@cache
def _adapter(tag: Tag) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[tag])


def _failure(error: StepError) -> AgentOSError:
    failure = AgentOSError(error.text)
    failure.code = error.code
    return failure
