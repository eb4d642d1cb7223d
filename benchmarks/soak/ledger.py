"""The account at the end: what was accepted, what became of it, and what is missing."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg

from agentos.run.wire import lacks_state, with_state
from agentos.runner.worker.dead_runs import UNLOGGED
from benchmarks.soak.story import Story
from tests.faults.follower import TERMINAL, Frame
from tests.faults.stage import Arrival

DIED: Final = "process_died"


@dataclass(frozen=True, slots=True)
class Run:
    """One row, and its log."""

    run_id: str
    label: str
    status: str
    error: str | None
    lines: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """seq, name, text."""

    @property
    def is_cut_off(self) -> bool:
        """Whether its process died: its end comes behind whatever a client can have seen."""
        return bool(self.lines) and self.lines[-1][0] > UNLOGGED


@dataclass(frozen=True, slots=True)
class Account:
    """The figures; the last three must be 0."""

    accepted: int
    ended: Counter[str]
    died: int
    failed: Counter[str]
    """By code, for any other reason."""
    resumed: int
    reconnects: int
    repeated: list[str]
    lost_events: list[str]
    lost_runs: list[str]

    @property
    def is_clean(self) -> bool:
        return not (self.repeated or self.lost_events or self.lost_runs)


def account(
    url: str, stories: Sequence[Story], arrivals: Sequence[Arrival], repeated: Sequence[Arrival]
) -> Account:
    """Compares what clients saw with what is stored."""
    runs = read(url)
    pids: defaultdict[str, set[int]] = defaultdict(set)
    for each in arrivals:
        pids[each.label].add(each.pid)
    paused = {story.label for story in stories if any(frame.event == "RunPaused" for frame in story.frames)}
    by_id = {run.run_id: run for run in runs}
    told = [(story, by_id[story.run_id]) for story in stories if story.run_id in by_id]
    return Account(
        accepted=len(runs),
        ended=Counter(run.status for run in runs),
        died=sum(run.error == DIED for run in runs),
        failed=Counter(run.error for run in runs if run.error and run.error != DIED),
        resumed=sum(len(by) > 1 for label, by in pids.items() if label not in paused),
        reconnects=sum(story.reconnects for story in stories),
        repeated=[f"{each.label}: {each.place} in {each.pid}" for each in repeated],
        lost_events=[each for run in runs for each in torn(run)]
        + [each for story, run in told for each in differing(story, run)],
        lost_runs=[f"{run.label}: still {run.status}" for run in runs if run.status not in ENDS]
        + [f"{each.label}: no such run" for each in stories if each.run_id not in by_id]
        + [f"{each.label}: no end seen" for each in stories if not each.is_over],
    )


ENDS: Final = {"COMPLETED", "CANCELLED", "ERROR"}


def torn(run: Run) -> list[str]:
    """What is wrong with the log of a run that is over."""
    wrong: list[str] = []
    lines = run.lines[:-1] if run.is_cut_off else run.lines
    if [seq for seq, _, _ in lines] != list(range(1, len(lines) + 1)):
        wrong.append(f"{run.label}: the log has gaps")
    names = [name for _, name, _ in run.lines]
    if [name for name in names if name in TERMINAL] != names[-1:]:
        wrong.append(f"{run.label}: the log ends {names[-3:]}")
    return wrong


def differing(story: Story, run: Run) -> list[str]:
    """Where a client saw something else than the log has.

    Of a run that ended with its process the last text, which was shown before it was logged, may be gone.
    """
    seen, ids = list(story.frames), [seq for seq, _, _ in run.lines]
    if run.is_cut_off:
        seen = [frame for frame in seen if frame.id in ids or frame.event != "RunContent"]
    if [frame.id for frame in seen] != ids:
        return [f"{story.label}: saw {[frame.id for frame in seen]} of {ids}"]
    texts = {seq: (name, text) for seq, name, text in run.lines}
    other = [frame.id for frame in seen if not _is_same(frame, *texts[frame.id])]
    return [f"{story.label}: other text at {other}"] if other else []


def _is_same(frame: Frame, name: str, text: str) -> bool:
    """Whether the frame is what the log has; the log leaves the state to the session."""
    shown = _text(frame)
    whole = with_state(text, json.loads(shown).get("session_state")) if lacks_state(text) else text
    return (frame.event, shown) == (name, whole)


def read(url: str) -> list[Run]:
    """All runs with their logs."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute(
            "SELECT run_id, input ->> 'input_content', status, details ->> 'error_type' FROM ai.agentos_runs"
        ).fetchall()
        runs = {row[0]: Run(*row) for row in rows}
        lines = connection.execute(
            "SELECT run_id, seq, name, text FROM ai.agentos_run_events ORDER BY run_id, seq"
        )
        for run_id, *line in lines:
            runs[run_id].lines.append((line[0], line[1], line[2]))
    return list(runs.values())


def _text(frame: Frame) -> str:
    return frame.raw.partition("\ndata: ")[2]
