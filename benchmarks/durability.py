"""What it costs that runs outlive connections and processes."""

from __future__ import annotations

import asyncio
from statistics import median, quantiles
from time import perf_counter

from benchmarks import machine
from benchmarks.bench import RUNS, Bench
from benchmarks.followers import Asked, follow
from benchmarks.load import once, post
from benchmarks.table import Row

STREAMS = 50
TOKEN_SECONDS = 0.01
CALLS = 15
STEPS = 2 * CALLS + 1
"""The model's turns, all but the last of which call a tool, and these calls."""
AT_ONCE = 10
"""So many durable runs beside each other."""
STEP_MS = {1: 12, AT_ONCE: 8}
"""What recording a step may add, by how many runs there are at once."""
TURNS = 4
"""How often each side runs in a round."""


async def followed(bench: Bench) -> list[Row]:
    """Streams that one process executes, and another one shows."""
    db = bench.database()
    arrived: list[float] = []
    medians: list[float] = []
    slowest: list[float] = []
    ticks = max(1, int(2 * bench.seconds / TOKEN_SECONDS))
    asked = Asked(RUNS, bench.token, f"{ticks} {TOKEN_SECONDS}")
    with machine.server("ticks", db) as executing, machine.server("ticks", db) as following:
        for turn in range(bench.rounds + 1):
            runs = await follow(executing, following, asked, streams=STREAMS)
            if turn == 0:
                continue
            latencies = [each for run in runs for each in run.latencies]
            whole = sum(run.is_whole and len(run.latencies) == ticks for run in runs)
            arrived.append(whole / STREAMS)
            medians.append(median(latencies))
            slowest.append(quantiles(latencies, n=20)[-1])
    name = f"{STREAMS} streams of {1 / TOKEN_SECONDS:.0f} tokens/s, followed from a second process"
    note = f"95 of 100 in {median(slowest):.0f} ms"
    return [
        Row(f"{name}: those that arrive whole", "≥", 1, arrived, f"{ticks * STREAMS:,} tokens a round"),
        Row(f"{name}: ms from the model to the follower", "≤", 50, medians, note),
    ]


async def durable(bench: Bench) -> list[Row]:
    """The same run thrice: nothing is recorded, DBOS records each step, or a fenced table of our own does."""
    rows: list[Row] = []
    with machine.server("durable", bench.database()) as port:
        for at_once, name in ((1, "one run"), (AT_ONCE, f"{AT_ONCE} runs at once")):
            rounds = [await _seconds(bench, port, at_once=at_once) for _ in range(bench.rounds + 1)][1:]
            steps = STEPS * at_once
            for agent, by in {"durable": "durable step", "fenced": "step in a table of our own"}.items():
                added = [(times[agent] - times["plain"]) * 1000 / steps for times in rounds]
                whole, plain = (median(times[each] for times in rounds) * 1000 for each in (agent, "plain"))
                note = f"{steps} steps: {whole:.0f} and {plain:.0f} ms"
                rows.append(Row(f"what a {by} adds, in ms: {name}", "≤", STEP_MS[at_once], added, note))
    return rows


async def _seconds(bench: Bench, port: int, *, at_once: int) -> dict[str, float]:
    """How long so many runs of each agent take: the medians of some that take turns."""
    times: dict[str, list[float]] = {"durable": [], "fenced": [], "plain": []}
    for turn in range(TURNS):
        for agent in times if turn % 2 == 0 else reversed(times):
            asked = post(f"/agents/{agent}/runs", bench.token, f"message={CALLS}&stream=true")
            began = perf_counter()
            await asyncio.gather(*(once(port, asked) for _ in range(at_once)))
            times[agent].append(perf_counter() - began)
    return {agent: median(seconds) for agent, seconds in times.items()}
