"""The state of a session as a tree of runs shares it, and the changes that merge with those of other runs."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import isfinite
from threading import RLock
from typing import Any, NamedTuple, TypeGuard, cast

from agentos.run.bounds import MAX_DEPTH
from agentos.run.records import Json
from agentos.run.text import plain

Merge = int | float | list[Any]
"""What is added to a number, or appended to a list."""


class _Sum(NamedTuple):
    start: float
    """The value before the first addition."""
    end: float
    """What the value is after the last one, if nothing else changes it."""
    total: float


class Merges:
    """What was added and appended, by key."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}
        self._items: dict[str, list[Any]] = {}

    def add(self, key: str, value: float, n: float) -> None:
        """Notes an addition to `value`."""
        start, end, total = self._sums.get(key, (value, value, 0))
        self._sums[key] = _Sum(start, end + n, total + n)

    def append(self, key: str, item: Any) -> None:
        """Notes an item. It isn't copied: what is changed in it later is changed here."""
        self._items.setdefault(key, []).append(item)

    def copy(self) -> Merges:
        """What was noted so far."""
        copied = Merges()
        copied._sums = dict(self._sums)
        copied._items = {key: [*items] for key, items in self._items.items()}
        return copied

    def made(self) -> dict[str, Merge]:
        """The total that was added to each number, and the items that were appended to each list, as JSON."""
        return {key: each.total for key, each in self._sums.items()} | plain(self._items, MAX_DEPTH)

    def explaining(self, before: Json, after: Json) -> dict[str, Merge]:
        """`made` of the keys that nothing else has changed from `before` to `after`."""
        if not (self._sums or self._items):
            return {}
        return {key: merge for key, merge in self.made().items() if self._explains(key, merge, before, after)}

    def _explains(self, key: str, merge: Merge, before: Json, after: Json) -> bool:
        if not isinstance(merge, list):
            start, end, total = self._sums[key]
            return (before.get(key, 0), after.get(key)) == (start, end) and _is_finite(total)
        items = before.get(key, [])
        return (
            key not in self._sums
            and isinstance(items, list)
            and [*cast("list[Any]", items), *merge] == after.get(key)
        )


class State:
    """The state of a run's session: one live object for a run and all runs nested in it.

    `values` may be changed in place: each changed key is stored as a whole, and replaces what other runs have
    stored under it. What `add` and `append` do is merged with the stored value instead, unless the run
    changes the key in another way, too: then its own value is stored.
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = {} if values is None else values
        self.turn = asyncio.Lock()
        """Held while a sync function that takes the state, or its run, is executed."""
        self._merges = Merges()
        self._watches: list[Watch] = []
        self._lock = RLock()

    def add(self, key: str, n: float) -> None:
        """Adds `n` to the number under `key`, at once; a missing key counts as 0. Safe in any thread.

        Sums of runs that overlap are added up. TypeError if either isn't a number, ValueError if the sum is
        more than a float can hold.
        """
        _check_key(key)
        if not _is_number(n):
            raise TypeError(f"Only a number can be added to the state's {key!r}, not {_kind(n)}.")
        with self._lock:
            value = self.values.get(key, 0)
            if not _is_number(value):
                raise TypeError(f"The state's {key!r} is {_kind(value)}: add to a number, or to a new key.")
            if not _is_finite(value, n):
                raise ValueError(f"The state's {key!r} would not be finite, as JSON needs it: add less.")
            self.values[key] = value + n
            for merges in self._listening():
                merges.add(key, value, n)

    def append(self, key: str, item: Any) -> None:
        """Appends `item` to the list under `key`, at once; a missing key counts as []. Safe in any thread.

        Runs that overlap keep each other's items. TypeError if the key holds something else.
        """
        _check_key(key)
        with self._lock:
            value = self.values.get(key, [])
            if not isinstance(value, list):
                raise TypeError(f"The state's {key!r} is {_kind(value)}: append to a list, or to a new key.")
            items = self.values[key] = cast("list[Any]", value)
            items.append(item)
            for merges in self._listening():
                merges.append(key, item)

    def repeat(self, key: str, merge: Merge) -> None:
        """Does again what an earlier execution merged, if the present value takes it."""
        with suppress(TypeError, ValueError):
            if isinstance(merge, list):
                for item in merge:
                    self.append(key, item)
            else:
                self.add(key, merge)

    def merged_since(self, before: Json) -> tuple[Json, dict[str, Merge]]:
        """The values as JSON, and what to merge of their change since the run began with `before`."""
        with self._lock:
            after = self._plain()
            return after, self._merges.explaining(before, after)

    @contextmanager
    def watched(self) -> Generator[Watch]:
        """Watches the changes until exit."""
        with self._lock:
            watch = Watch(self, self._plain(), self._merges.copy())
            self._watches.append(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.remove(watch)

    def change_in(self, watch: Watch) -> tuple[Json, dict[str, Merge]]:
        """The values as JSON, and the watch's own merges.

        Keys whose change is made of merges, the watch's own or not, have their values of `before`.
        """
        with self._lock:
            after = self._plain()
            merged = watch.all.explaining(watch.before, after)
            own = watch.own.made()
        for key in merged:
            if key in watch.before:
                after[key] = watch.before[key]
            else:
                del after[key]
        return after, {key: merge for key, merge in own.items() if key in merged}

    def undo(self, watch: Watch) -> None:
        """Goes back to the values from before the watch, whoever has changed them."""
        with self._lock:
            self.values.clear()
            self.values.update(watch.before)
            self._merges = watch.earlier.copy()

    def _listening(self) -> list[Merges]:
        own = [watch.own for watch in _within.get() if watch.state is self]
        return [self._merges, *(watch.all for watch in self._watches), *own]

    def _plain(self) -> Json:
        return plain(self.values, MAX_DEPTH)


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What happens to a state from a moment on. Made by `State.watched`."""

    state: State
    before: Json
    """The values at that moment."""
    earlier: Merges
    """What the run had merged by then."""
    all: Merges = field(default_factory=Merges)
    """What was merged since, by any step of the tree of runs."""
    own: Merges = field(default_factory=Merges)
    """What was merged `inside`."""

    @contextmanager
    def inside(self) -> Generator[None]:
        """What is merged inside, also in tasks and threads that are started there, is the watch's own."""
        token = _within.set((*_within.get(), self))
        try:
            yield
        finally:
            _within.reset(token)


_within: ContextVar[tuple[Watch, ...]] = ContextVar("agentos_state_watches", default=())


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise TypeError(f"The state's keys are strings, not {_kind(key)}.")


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(*numbers: float) -> bool:
    try:
        return isfinite(sum(numbers))
    except OverflowError:  # an integer that is larger than any float
        return False


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
