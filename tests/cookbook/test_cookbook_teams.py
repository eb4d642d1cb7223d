"""The cookbook's teams, without a server, a key or a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.processes import environment

ROOT = Path(__file__).parents[2] / "cookbook"
FOLDER = ROOT / "03_teams"
TESTED = {
    "broadcast.py",
    "coordinate.py",
    "human_in_the_loop.py",
    "nested.py",
    "parallel_state.py",
    "route.py",
    "tasks.py",
}


def printed(name: str, *typed: str) -> str:
    """What a program prints when somebody types these lines."""
    done = subprocess.run(
        [sys.executable, FOLDER / name],
        input="\n".join(typed) + "\n",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_program_is_untested_or_missing_in_the_list():
    listed = set(re.findall(r"\(03_teams/(\S+\.py)\)", (ROOT / "README.md").read_text()))
    assert {path.name for path in FOLDER.rglob("*.py")} == TESTED == listed


def test_coordinate():
    members, _, answer = printed("coordinate.py").partition("The team: ")
    runs = re.findall(r"^(weather|diary), run (\S+):", members, re.MULTILINE)
    assert [name for name, _ in runs] == ["weather", "diary"]
    assert len({run_id for _, run_id in runs}) == 2
    for said in ("Sunday: sunny, 24 degrees", "Sunday: nobody"):
        assert said in members
        assert said in answer


def test_route():
    text = printed("route.py")
    assert re.findall(r"^\w+ answered: (.*)$", text, re.MULTILINE) == [
        "invoice 7 was paid on Monday",
        "parcel 7 is in Linz",
    ]
    assert "delegate_task_to_member" not in text


def test_broadcast():
    text = printed("broadcast.py")
    assert re.findall(r"^(\S+), (completed|failed):", text, re.MULTILINE) == [
        ("lawyer", "completed"),
        ("accountant", "completed"),
        ("press-officer", "failed"),
    ]
    assert "failed (model_error): The model is overloaded." in text
    assert "\nCOMPLETED: " in text


def test_nested():
    depths = [(len(line) - len(line.lstrip())) // 2 for line in printed("nested.py").splitlines()]
    assert depths == [0, 1, 2, 2, 1, 0]


def test_parallel_state():
    assert printed("parallel_state.py") == "30 votes from ann, ben, cem\n"


def test_tasks():
    *changes, summary, facts, article, answer = printed("tasks.py").splitlines()
    assert [change.partition(": ")[0] for change in changes] == ["Facts", "Facts", "Article", "Article"]
    assert summary == "Tasks (2/2 completed):"
    assert "Facts: completed" in facts
    assert "Article: completed" in article
    assert answer == "Here is your article."


@pytest.mark.parametrize(
    ("typed", "told"),
    [(["y"], "transfer answered: 50 euros sent"), (["n", "too much"], "They say: too much")],
    ids=["agreed", "refused"],
)
def test_human_in_the_loop(typed: list[str], told: str):
    text = printed("human_in_the_loop.py", *typed)
    assert "Bank wants transfer({'amount': 50})" in text
    assert told in text
    assert text.count("[a letter to Bo is in the post]") == 1
