"""The cookbook's programs without a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.processes import environment

FOLDER = Path(__file__).parents[2] / "cookbook" / "02_agents"


def test_no_program_is_untested():
    assert {path.name for path in FOLDER.rglob("*.py")} == {"discovered_tools.py", "human_in_the_loop.py"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["y", "bo@example.com", "it hums"], "delete_report answered: draft is gone"),
        (["n", "still needed", "bo@example.com", "it hums"], "They say: still needed"),
    ],
    ids=["agreed", "refused"],
)
def test_human_in_the_loop(said: list[str], told: str):
    done = subprocess.run(
        [sys.executable, FOLDER / "human_in_the_loop.py"],
        input="\n".join(said) + "\n",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    assert "final was sent to bo@example.com" in done.stdout
    assert "restart_printer answered: it hums" in done.stdout


def test_discovered_tools():
    program = [sys.executable, FOLDER / "discovered_tools.py"]
    done = subprocess.run(program, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    acme, blue, paused = re.findall(r"answered: (\d+)|(PAUSED.*)", done.stdout)
    assert (acme[0], blue[0], paused[1]) == ("3", "30", "PAUSED ['delete_orders']")
