"""Processes that are killed in the middle of durable runs, and others that go on with them."""

import os
import signal
import sys
from pathlib import Path

from tests.conftest import a_database
from tests.flows.processes import Process, environment, running
from tests.runner.durable.segments import rows, until

ROOT = Path(__file__).parents[3]
STEPS = ["model-1", "tool-1-0", "tool-1-1", "model-2"]
PLACES = [f"{where}:{step}" for step in STEPS for where in ("in", "after")]
TOOLS = {"tool-1-0", "tool-1-1"}


def durable(*arguments: str, announces: list[str]):
    command = [sys.executable, "-m", "tests.runner.durable.programs.killed", *arguments]
    return running(command, cwd=ROOT, env=environment(), until=announces)


def begun(process: Process, place: str) -> list[str]:
    lines = [line.split() for line in process.output.splitlines()]
    return sorted(step for word, *rest in lines if word == "begins" for at, step in [rest] if at == place)


def completed(place: str) -> set[str]:
    """The steps that are over when a run stays at a place; of two parallel tools the other one is."""
    where, _, step = place.partition(":")
    before = set(STEPS[: STEPS.index(step)]) | (TOOLS if step in TOOLS else set())
    return before - {step} if where == "in" else before | {step}


async def kill(process: Process, url: str, places: list[str]) -> None:
    """Once everything that is over at the places is recorded."""
    count = "SELECT count(*) FROM dbos.operation_outputs"
    await until(lambda: rows(url, count) == [(sum(len(completed(place)) for place in places),)])
    os.kill(process.popen.pid, signal.SIGKILL)
    process.wait()


async def test_what_was_done_before_a_kill_is_not_done_again_wherever_it_comes(server_url):
    with a_database(server_url, "template1") as url:
        with durable(url, "start", *PLACES, announces=[f"stays {place}" for place in PLACES]) as first:
            await kill(first, url, PLACES)
        with durable(url, "resume", *PLACES, announces=["done"]) as second:
            for place in PLACES:
                assert begun(second, place) == sorted(set(STEPS) - completed(place)), place
                assert f"ends {place} Let_me_see 4 5 9" in second.output
        assert rows(url, "SELECT count(*) FROM dbos.workflow_status") == [(0,)]
        assert rows(url, "SELECT count(*) FROM dbos.operation_outputs") == [(0,)]


async def test_a_second_kill_changes_nothing(server_url):
    place = "in:model-2"
    with a_database(server_url, "template1") as url:
        for command in ("start", "stay"):
            with durable(url, command, place, announces=[f"stays {place}"]) as process:
                await kill(process, url, [place])
        with durable(url, "resume", place, announces=["done"]) as last:
            assert begun(last, place) == ["model-2"]
            assert f"ends {place} Let_me_see 4 5 9" in last.output
