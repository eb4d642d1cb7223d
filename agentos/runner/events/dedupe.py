"""Removes events from a resumed run that are already in the log.

A run that lost its process executes its segment again from the start, with the results of its recorded steps,
so it emits the same events again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from agentos.run.events import (
    CustomEvent,
    ModelRequestStarted,
    RunContent,
    RunContinued,
    RunEvent,
    TaskCreated,
    TaskIterationCompleted,
    TaskIterationStarted,
    TaskStateUpdated,
    TaskUpdated,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
)
from agentos.run.text import json_of


@dataclass(slots=True)
class _Said:
    """The text of one model turn: the logged part, and the position of the replay in it."""

    first_seq: int = 0
    content: str = ""
    reasoning: str = ""
    content_at: int = 0
    reasoning_at: int = 0

    @property
    def is_behind(self) -> bool:
        return self.content_at < len(self.content) or self.reasoning_at < len(self.reasoning)


class Dedupe:
    """Compares the events of a resumed segment with the logged ones.

    Nested runs interleave, so the events of each run are compared separately.
    """

    def __init__(self, logged: Sequence[RunEvent]) -> None:
        self._runs: dict[str | None, _Replay] = {}
        for event in logged:
            self._replay(event).add(event)

    def news(self, event: RunEvent) -> list[RunEvent]:
        """The part of `event` that the log lacks: nothing, the rest of a text, or all of it.

        If the model's output differs from the logged text, the logged text is declared void first.
        """
        news = self._replay(event).news(event)
        for each in news:
            each.origin = event.origin
        return news

    def _replay(self, event: RunEvent) -> _Replay:
        return self._runs.setdefault(event.origin and event.origin.run_id, _Replay())


class _Replay:
    """The replay of one run's events."""

    def __init__(self) -> None:
        self._known: Counter[Hashable] = Counter()
        self._turns = [_Said()]
        self._turn = 0

    def news(self, event: RunEvent) -> list[RunEvent]:
        if text := _text(event):
            return self._rest(text)
        late = self._void() if self._said is not None and self._said.is_behind else []
        if isinstance(event, ModelRequestStarted):
            self._turn += 1
        key = _key(event)
        if self._known[key]:
            self._known[key] -= 1
            return late
        return [*late, event]

    @property
    def _said(self) -> _Said | None:
        return self._turns[self._turn] if self._turn < len(self._turns) else None

    def add(self, event: RunEvent) -> None:
        if isinstance(event, RunContinued) and event.discarded_from is not None:
            self._turns[-1] = _Said()
            return
        if isinstance(event, ModelRequestStarted):
            self._turns.append(_Said())
        if (text := _text(event)) is None:
            self._known[_key(event)] += 1
            return
        said = self._turns[-1]
        said.first_seq = said.first_seq or text.seq
        said.content += text.content
        said.reasoning += text.reasoning_content

    def _rest(self, event: RunContent) -> list[RunEvent]:
        said = self._said
        if said is None or not said.is_behind:
            return [event]
        content, reasoning = said.content[said.content_at :], said.reasoning[said.reasoning_at :]
        if not _agree(content, event.content) or not _agree(reasoning, event.reasoning_content):
            return self._void(event)
        said.content_at += min(len(content), len(event.content))
        said.reasoning_at += min(len(reasoning), len(event.reasoning_content))
        more = {
            "content": event.content[len(content) :],
            "reasoning_content": event.reasoning_content[len(reasoning) :],
        }
        return [event.model_copy(update=more)] if any(more.values()) else []

    def _void(self, event: RunContent | None = None) -> list[RunEvent]:
        """Declares the logged text void and emits the turn's output so far again, with `event`."""
        said = self._turns[self._turn]
        again = RunContent(
            content=said.content[: said.content_at] + (event.content if event else ""),
            reasoning_content=said.reasoning[: said.reasoning_at]
            + (event.reasoning_content if event else ""),
        )
        self._turns[self._turn] = _Said()
        return [RunContinued(discarded_from=said.first_seq), again]


def _text(event: RunEvent) -> RunContent | None:
    return event if isinstance(event, RunContent) and isinstance(event.content, str) else None


def _agree(shown: str, said: str) -> bool:
    return shown.startswith(said) or said.startswith(shown)


def _key(event: RunEvent) -> Hashable:
    match event:
        case ToolCallStarted() | ToolCallCompleted() | ToolCallError():
            return event.event, event.tool.tool_call_id
        case TaskIterationStarted() | TaskIterationCompleted():
            return event.event, event.iteration
        case CustomEvent() | RunContent() | TaskCreated() | TaskUpdated() | TaskStateUpdated():
            return event.event, json_of(event.model_dump(exclude={"created_at"}))
        case _:
            return event.event, None
