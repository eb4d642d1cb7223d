"""What is measured, each against its promise. The two sides of a ratio take turns: noise meets both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from benchmarks import decisions as judge
from benchmarks import durability, hostile, imports, machine, sessions, teams
from benchmarks.bench import Bench
from benchmarks.load import Wanted, get, once
from benchmarks.proxy import counting
from benchmarks.table import Row

WORD_SECONDS = 0.005
"""What a quick model takes for a word."""
COUNTED = 20
"""Requests whose round trips are counted."""

ASIDE = ("WITH lines AS", "WITH beat AS", "WITH dead AS", "WITH busy AS")
"""How the statements begin that are sent behind the requests' backs: the event log's batches, and what a
process does to say that it lives, to find dead ones, and to look at the queue."""
AUDIT = "ai.agentos_audit"
AGENT, LIBRARIES = "from agentos.agent import Agent", "import fastapi, sqlalchemy, openai"


async def runs(bench: Bench) -> list[Row]:
    """Whole answers."""
    with _beside_floor(bench, word_seconds=0) as (ours, floor):
        rates = await bench.rates(ours, floor, Wanted(bench.run(stream=False)))
    return [Row("runs/s, to the floor's", "≥", 0.5, rates.ratios, rates.note("runs"))]


async def streams(bench: Bench) -> list[Row]:
    """Streamed answers. Of our events only the words count: the floor has no others."""
    wanted = Wanted(bench.run(stream=True), b"event: RunContent\n", machine.WORDS)
    rows: list[Row] = []
    for name, word_seconds in {
        "all words at once": 0.0,
        f"a word every {WORD_SECONDS}s": WORD_SECONDS,
    }.items():
        with _beside_floor(bench, word_seconds=word_seconds) as (ours, floor):
            rates = await bench.rates(ours, floor, wanted)
        note = rates.note("events", each=machine.WORDS)
        rows.append(Row(f"streamed events/s, to the floor's: {name}", "≥", 0.5, rates.ratios, note))
    return rows


async def agents(bench: Bench) -> list[Row]:
    """The list of agents, the same bytes on both sides."""
    with _beside_floor(bench, word_seconds=0) as (ours, floor):
        rates = await bench.rates(ours, floor, Wanted(get("/agents", bench.token)))
    return [Row("GET /agents, to the floor's", "≥", 0.6, rates.ratios, rates.note("answers"))]


async def row_security(bench: Bench) -> list[Row]:
    """What it costs that Postgres keeps users' rows apart as well."""
    with (
        machine.fake_openai(0) as model,
        machine.server("served", bench.database(), model) as ours,
        machine.server("no_row_security", bench.database(), model) as unguarded,
    ):
        pairs = await bench.times(ours, unguarded, bench.run(stream=False))
    ratios = [one / other for one, other in pairs]
    one, other = (median(times) * 1000 for times in zip(*pairs, strict=True))
    name = "a run, to one without row-level security"
    return [Row(name, "≤", 1.05, ratios, f"{one:.1f} and {other:.1f} ms")]


async def round_trips(bench: Bench) -> list[Row]:
    """What one request asks of Postgres, for itself."""
    url = bench.database()
    asked = {
        "a run, besides the audit": (2, bench.run(stream=False)),
        "a streamed run, besides event log and audit": (2, bench.run(stream=True)),
        "GET /agents": (0, get("/agents", bench.token)),
    }
    rows: list[Row] = []
    with (
        counting(urlsplit(url).port or 5432) as proxy,
        machine.fake_openai(0) as model,
        machine.server("served", machine.at_port(url, proxy.port), model) as ours,
    ):
        for name, (target, request) in asked.items():
            await once(ours, request)
            proxy.take()
            for _ in range(COUNTED):
                await once(ours, request)
            trips = [
                trip for trip in proxy.take() if not trip.lstrip().startswith(ASIDE) and AUDIT not in trip
            ]
            rows.append(Row(f"database round trips: {name}", "≤", target, [len(trips) / COUNTED]))
    return rows


async def long_sessions(bench: Bench) -> list[Row]:
    """A page of conversations, whatever was said in them."""
    short, long = bench.database(), bench.database()
    sessions.fill(short, machine.USER)
    sessions.fill(long, machine.USER)
    with (
        machine.fake_openai(0) as model,
        machine.server("served", short, model) as ours_short,
        machine.server("served", long, model) as ours_long,
    ):
        for port in (ours_short, ours_long):
            await once(port, bench.run(stream=False))
        sessions.talk(long)
        wanted = Wanted(get("/sessions?limit=20", bench.token), b'"session_id":', 20)
        rates = await bench.rates(ours_short, ours_long, wanted)
    name = f"GET /sessions?limit=20, {sessions.SESSIONS:,} with {sessions.RUNS} runs each, to empty ones'"
    return [Row(name, "≤", 1.5, rates.ratios, rates.note("answers"))]


async def judging(bench: Bench) -> list[Row]:
    """What it takes to know whether a request may pass; microseconds of processor time."""
    guarded, plain = judge.served(is_guarded=True), judge.served(is_guarded=False)
    decisions: list[float] = []
    added: list[float] = []
    for turn in range(bench.rounds + 1):
        decisions.append(judge.decision_seconds() * 1e6)
        sides = (guarded, plain) if turn % 2 == 0 else (plain, guarded)
        spent = {side: await judge.request_seconds(side, bench.token) for side in sides}
        added.append((spent[guarded] - spent[plain]) * 1e6)
    return [
        Row("a decision, in µs", "≤", 10, decisions[1:]),
        Row("what a verified HS256 token adds to a request, in µs", "≤", 150, added[1:]),
    ]


async def import_time(bench: Bench) -> list[Row]:
    """What a script pays before its first line."""
    for statement in (AGENT, LIBRARIES):
        imports.seconds(statement)
    pairs = [(imports.seconds(AGENT), imports.seconds(LIBRARIES)) for _ in range(bench.rounds)]
    ours, theirs = (median(times) * 1000 for times in zip(*pairs, strict=True))
    ratios = [agent / libraries for agent, libraries in pairs]
    return [Row(f"`{AGENT}`, to `{LIBRARIES}`", "≤", 0.25, ratios, f"{ours:.0f} and {theirs:.0f} ms")]


MEASURES: Final[Mapping[str, Callable[[Bench], Awaitable[list[Row]]]]] = {
    "runs": runs,
    "streams": streams,
    "agents": agents,
    "rows": row_security,
    "judging": judging,
    "trips": round_trips,
    "follow": durability.followed,
    "durable": durability.durable,
    "teams": teams.teams,
    "sessions": long_sessions,
    "hostile": hostile.hostile,
    "imports": import_time,
}


@contextmanager
def _beside_floor(bench: Bench, *, word_seconds: float) -> Generator[tuple[int, int]]:
    """The ports of our server and of the floor, with a model and a database in common kinds."""
    with (
        machine.fake_openai(word_seconds) as model,
        machine.server("served", bench.database(), model) as ours,
        machine.server("floor", bench.database(), model) as floor,
    ):
        yield ours, floor
