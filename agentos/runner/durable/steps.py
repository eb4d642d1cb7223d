"""The steps of a durable run: the result of each is recorded, so that it isn't executed again.

A record is JSON: the result or the error of the step, and its changes to the session's state. Records are
stored by the runtime (`agentos.runner.durable.runtime`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from pydantic import JsonValue, TypeAdapter, ValidationError

from agentos.db.contracts.runs import StateChange
from agentos.errors import AgentOSError, PayloadTooLargeError, StateTooLargeError
from agentos.models.base import ModelDelta, ModelResponse
from agentos.run.bounds import MAX_DEPTH, size
from agentos.run.records import Json
from agentos.run.runnable import RunContext
from agentos.run.state import Merge, Watch
from agentos.run.text import plain
from agentos.tools.result import ToolResult

T = TypeVar("T")

_END: Final = object()

MAX_RESULT = 64 * 1024 * 1024
"""Bytes of JSON in which a step may end."""

Tag = Literal["model_response", "tool_result", "json", "error"]

_TAGS: Mapping[type, Tag] = {ModelResponse: "model_response", ToolResult: "tool_result"}


@dataclass(frozen=True, slots=True)
class StepError:
    """The error of a failed step, safe to show to the caller."""

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
    """The record of one step."""

    type: Tag
    number: int
    """Position among the run's records. If two steps changed a key, the later one wins."""
    value: Any = None
    """The value of the type given by the tag; its JSON after it was read from storage."""
    put: Json = field(default_factory=dict[str, Any])
    """Top-level keys of the session's state that the step set, with their values."""
    removed: list[str] = field(default_factory=list[str])
    merged: dict[str, Merge] = field(default_factory=dict[str, Merge])
    """What the step has added to numbers and appended to lists of the state, by key."""

    def plain(self) -> Json:
        """The record as plain JSON data."""
        value = _adapter(self.type).dump_python(self.value)
        plain: Json = {
            "type": self.type,
            "number": self.number,
            "value": value,
            "put": self.put,
            "removed": self.removed,
        }
        return plain | {"merged": self.merged} if self.merged else plain  # older releases don't know it

    def result(self) -> Any:
        """The step's last item, restored; an AgentOSError to raise if the step failed."""
        value = _adapter(self.type).validate_python(self.value)
        if isinstance(value, StepError):
            return _failure(value)
        return value


class Recorder(Protocol):
    """Stores the records of one segment of a run."""

    @property
    def recorded(self) -> Mapping[str, StepRecord]:
        """Records of an earlier execution of the segment, by step name."""
        ...

    async def record(self, name: str, record: StepRecord) -> None:
        """Stores the record before returning, even if cancelled.

        RunLostError if another process has the run by now.
        """
        ...


recording: ContextVar[Recorder] = ContextVar("agentos_recording")
"""Set by the runtime while it executes a segment."""


class RecordedSteps:
    """`run.runnable.Steps` of a durable run. Created while a segment is executed.

    A step must end in a ModelResponse, a ToolResult or plain JSON, which is recorded; anything else is a
    TypeError. Model deltas are yielded at once. Other items are yielded when the next one arrives, since the
    last item is recorded before it is yielded. A step that changes more than `max_state` bytes of the state
    fails, and its changes are undone. An AgentOSError is recorded too, so that a resumed run ends
    the same way. After any other exception, or a cancellation, the step counts as not executed.
    """

    def __init__(self, context: RunContext, *, max_state: int) -> None:
        self._context = context
        self._max_state = max_state
        self._recorder = recording.get()
        self._number = max((each.number for each in self._recorder.recorded.values()), default=0)
        self._names: set[str] = set()
        self._replayed: set[int] = set()
        self._put_by: dict[str, int] = {}
        self._merged: defaultdict[str, list[tuple[int, Merge]]] = defaultdict(list)
        """The merges done again of each key, with the numbers of their records."""

    def __call__(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """Yields the items of `source()`, or only the recorded result."""
        if name in self._names:
            raise ValueError(f"Two steps of one run are called {name!r}; results are recorded by name.")
        self._names.add(name)
        record = self._recorder.recorded.get(name)
        return self._again(record) if record else self._first(name, source)

    def replay(self, prefix: str) -> None:
        """Does again what the recorded steps whose names begin like this did to the state.

        For the steps of a nested run that has ended, which isn't executed again.
        """
        found = [record for name, record in self._recorder.recorded.items() if name.startswith(prefix)]
        for record in sorted(found, key=attrgetter("number")):
            self._replay(record)

    def _replay(self, record: StepRecord) -> None:
        """Concurrent steps are asked for in any order; of each key, the later records count."""
        if record.number in self._replayed:
            return
        self._replayed.add(record.number)
        state = self._context.state
        for key in self._not_outdone(record, [*record.put, *record.removed]):
            if key in record.put:
                state.values[key] = record.put[key]
            else:
                state.values.pop(key, None)
            for number, merge in sorted(self._merged[key]):
                if number > record.number:
                    state.repeat(key, merge)
        for key, merge in record.merged.items():
            if record.number > self._put_by.get(key, 0):
                state.repeat(key, merge)
                self._merged[key].append((record.number, merge))

    async def _again(self, record: StepRecord) -> AsyncGenerator[Any]:
        self._replay(record)
        result = record.result()
        if isinstance(result, AgentOSError):
            raise result
        yield result

    async def _first(self, name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        last: list[T] = []
        with self._context.state.watched() as watch:
            try:
                async with aclosing(_inside(watch, source)) as items:
                    async for item in items:
                        if isinstance(item, ModelDelta):
                            yield item
                            continue
                        for earlier in last:
                            yield earlier
                        last = [item]
                self._check(watch, last)
            except AgentOSError as error:
                with suppress(StateTooLargeError):
                    self._check(watch, [])
                await self._record(name, "error", StepError(error.code, str(error)), watch)
                raise
            for item in last:
                await self._record(name, tag_of(item), item, watch)
        for item in last:
            yield item

    def _check(self, watch: Watch, last: list[Any]) -> None:
        """Refuses what can't be recorded, and undoes a change of the state that is too large."""
        state, most = self._context.session_state, self._max_state
        if size(state, most) > most and (
            size(state, MAX_RESULT) > MAX_RESULT
            or size(StateChange.between(watch.before, plain(state, MAX_DEPTH)).put, most) > most
        ):
            self._context.state.undo(watch)
            raise StateTooLargeError(most)
        if size(last, MAX_RESULT) > MAX_RESULT:
            raise PayloadTooLargeError(f"A durable step may end in {MAX_RESULT} bytes of JSON.")

    async def _record(self, name: str, tag: Tag, value: object, watch: Watch) -> None:
        # A copy, since other steps may change it while it is being written.
        after, merged = self._context.state.change_in(watch)
        change = StateChange.between(watch.before, after)
        self._number += 1
        record = StepRecord(tag, self._number, value, dict(change.put), list(change.removed), merged)
        await self._recorder.record(name, record)

    def _not_outdone(self, record: StepRecord, keys: Iterable[str]) -> list[str]:
        """The keys that no later record has changed. Concurrent steps finish in any order."""
        mine = [key for key in keys if self._put_by.get(key, 0) <= record.number]
        self._put_by.update(dict.fromkeys(mine, record.number))
        return mine


async def _inside(watch: Watch, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
    """The items of `source()`, whose merges are those of the watch."""
    async with aclosing(source()) as items:
        while True:
            with watch.inside():
                item = await anext(items, _END)
            if item is _END:
                return
            yield cast("T", item)


def tag_of(value: object) -> Tag:
    """The tag for recording a result; TypeError if it can't be recorded."""
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
