"""`python -m benchmarks.capacity`: what a process spends on the runs it holds. Figures, without a promise.

Memory for runs that wait for their model, and processor time for streams of tokens.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import perf_counter

import uvloop
from rich.console import Console

from benchmarks import machine
from benchmarks.bench import RUNS
from benchmarks.followers import Asked, begun, ended
from tests.flows.processes import Process

HELD = 1000
"""Runs that are held at once."""
HELD_SECONDS = 40
TOKENS_A_SECOND = 50
"""What a quick model writes."""


def parser() -> argparse.ArgumentParser:
    """What may be said."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    made.add_argument("--streams", type=int, nargs="*", default=[50, 100, 200])
    made.add_argument("--seconds", type=int, default=5, help="of each measurement")
    return made


async def main() -> None:
    """Prints what there is to know."""
    arguments = parser().parse_args()
    console = Console(highlight=False)
    with machine.postgres() as postgres, machine.serving("ticks", machine.database(postgres, "a")) as held:
        kilobytes = await _memory(*held)
        console.print(f"{HELD} streams whose models wait: {kilobytes:.0f} KiB each")
    with machine.postgres() as postgres, machine.serving("ticks", machine.database(postgres, "b")) as busy:
        for streams in arguments.streams:
            cores, tokens = await _cores(*busy, streams=streams, seconds=arguments.seconds)
            console.print(f"{streams} streams: {tokens:,.0f} tokens/s with {cores:.2f} of a core")


async def _memory(process: Process, port: int) -> float:
    """KiB that each of many live runs takes, with its connection."""
    await ended(await begun(port, _asked(1, 0), streams=HELD // 10))
    before = _resident(process.popen.pid)
    runs = await begun(port, _asked(2, HELD_SECONDS), streams=HELD)
    during = _resident(process.popen.pid)
    if any(run.done.done() for run in runs):
        raise RuntimeError(f"The machine is too busy: {HELD} runs didn't begin within {HELD_SECONDS} s.")
    await ended(runs)
    return (during - before) / HELD


async def _cores(process: Process, port: int, *, streams: int, seconds: int) -> tuple[float, float]:
    """How much of a core streams take, and how many tokens they have sent in a second."""
    spent, began = _processor(process.popen.pid), perf_counter()
    ticks = seconds * TOKENS_A_SECOND
    await ended(await begun(port, _asked(ticks, 1 / TOKENS_A_SECOND), streams=streams))
    passed = perf_counter() - began
    return (_processor(process.popen.pid) - spent) / passed, ticks * streams / passed


def _asked(ticks: int, seconds: float) -> Asked:
    return Asked(RUNS, "", f"{ticks} {seconds}")


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    uvloop.run(main())
