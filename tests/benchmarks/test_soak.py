"""The soak, for some seconds; and that its account finds what it is there to find."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from benchmarks.soak.__main__ import main, planned, show
from benchmarks.soak.ledger import Account, Run, differing, torn
from benchmarks.soak.story import Plot, Story
from tests.faults.follower import Frame

ROOT = Path(__file__).parents[2]
NAMES = ["RunStarted", "RunContent", "RunContent", "RunCompleted"]


def test_nothing_is_lost_in_some_seconds():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.1", "--clients", "6", "--workers", "0"],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [[cell.strip() for cell in line.split("│")] for line in done.stdout.splitlines()]
    table = {cell[1]: cell[2] for cell in cells if len(cell) > 2}
    assert table["faults"] == "3"
    assert int(table["runs accepted"]) == int(table["runs finished"]) > 6
    assert [table[name] for name in ("repeated steps", "lost events", "lost runs")] == ["0", "0", "0"]


@pytest.mark.parametrize("given", [["--minutes", "0"], ["--replicas", "0"], ["--clients", "0"]])
def test_a_soak_of_nothing_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        main(given)
    assert "or more" in capsys.readouterr().err


def test_everything_goes_wrong_at_least_once_and_the_database_once():
    for seconds, kills, stops in ((5, 1, 1), (300, 20, 5)):
        plan = planned(seconds, Random(1))
        assert Counter(fault for _, fault in plan) == {"kill": kills, "stop": stops, "database": 1}
        assert plan == sorted(plan)
        assert all(0 < at < seconds for at, _ in plan)


def run(*names: str, error: str | None = None) -> Run:
    lines = [(seq, name, f"text {seq}") for seq, name in enumerate(names, 1)]
    return Run("id", "it", "COMPLETED", error, lines)


def story(*frames: tuple[int, str]) -> Story:
    seen = [Frame(seq, name, {}, f"id: {seq}\nevent: {name}\ndata: text {seq}") for seq, name in frames]
    return Story("it", Plot("plain"), "id", seen)


WHOLE = list(enumerate(NAMES, 1))
END = (10_003, "RunError")


@pytest.mark.parametrize(
    ("frames", "is_same"),
    [
        (WHOLE, True),
        (WHOLE[:2] + WHOLE[3:], False),
        (WHOLE[:-1], False),
        ([*WHOLE, WHOLE[-1]], False),
        ([WHOLE[1], WHOLE[0], *WHOLE[2:]], False),
        ([*WHOLE[:3], (4, "RunError")], False),
    ],
)
def test_what_a_client_saw_must_be_what_is_logged(frames, is_same):
    assert (differing(story(*frames), run(*NAMES)) == []) is is_same


def test_another_text_is_another_event():
    logged = run(*NAMES)
    logged.lines[1] = (2, "RunContent", "text 3")
    assert differing(story(*WHOLE), logged) == ["it: other text at [2]"]


@pytest.mark.parametrize(
    ("frames", "is_same"),
    [
        ([(1, "RunStarted"), (2, "RunContent"), END], True),
        ([(1, "RunStarted"), (2, "RunContent"), (3, "RunContent"), (4, "RunContent"), END], True),
        ([(1, "RunStarted"), END], False),
        ([(1, "RunStarted"), (2, "RunContent")], False),
        ([(1, "RunStarted"), (2, "RunContent"), END, END], False),
    ],
)
def test_text_that_a_dying_process_could_not_log_is_not_lost(frames, is_same):
    logged = run("RunStarted", "RunContent", error="process_died")
    logged.lines.append((END[0], "RunError", f"text {END[0]}"))
    assert torn(logged) == []
    assert (differing(story(*frames), logged) == []) is is_same


@pytest.mark.parametrize(
    ("names", "is_whole"),
    [
        (NAMES, True),
        (NAMES[:-1], False),
        ([*NAMES, "RunError"], False),
        (["RunStarted", "RunPaused", "RunContinued", "RunCompleted"], True),
    ],
)
def test_a_log_ends_once(names, is_whole):
    assert (torn(run(*names)) == []) is is_whole


def test_a_log_has_no_gaps():
    logged = run(*NAMES)
    del logged.lines[1]
    assert torn(logged) == ["it: the log has gaps"]


@pytest.mark.parametrize("wrong", ["repeated", "lost_events", "lost_runs"])
def test_the_account_is_clean_only_without_losses(wrong, capsys):
    fine = {"repeated": [], "lost_events": [], "lost_runs": []}
    figures = (3, Counter(COMPLETED=3), 0, Counter(), 1, 2)
    assert Account(*figures, **fine).is_clean
    found = Account(*figures, **{**fine, wrong: ["this one"]})
    assert not found.is_clean
    show(found, [], ["kill"])
    assert "this one" in capsys.readouterr().out
