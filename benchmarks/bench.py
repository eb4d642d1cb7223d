"""How things are measured: how long, how often, and the two sides of a ratio in turns."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final
from uuid import uuid4

from agentos.db.embedded import EmbeddedPostgres
from benchmarks import machine
from benchmarks.load import Wanted, once, post, rate

RUNS: Final = "/agents/research-agent/runs"
CONNECTIONS = 16
WARM_UP = 1.0
"""Seconds of load before anything counts: pools fill, statements are prepared."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how long to measure."""

    postgres: EmbeddedPostgres
    token: str
    rounds: int
    seconds: float

    def database(self) -> str:
        """The URL of a new database."""
        return machine.database(self.postgres, f"bench_{uuid4().hex}")

    def run(self, *, stream: bool) -> bytes:
        """A request for a run."""
        return post(RUNS, self.token, f"message=hello&stream={str(stream).lower()}")

    async def rates(self, one: int, other: int, wanted: Wanted) -> Rates:
        """What two servers do; who begins changes from round to round."""
        for port in (one, other):
            await rate(port, wanted, connections=CONNECTIONS, seconds=WARM_UP)
        rates = Rates([], [])
        for turn in range(self.rounds):
            sides = [(one, rates.one), (other, rates.other)]
            for port, found in sides if turn % 2 == 0 else reversed(sides):
                found.append(await rate(port, wanted, connections=CONNECTIONS, seconds=self.seconds))
        return rates

    async def times(self, one: int, other: int, request: bytes) -> list[tuple[float, float]]:
        """Seconds that a lone request takes of two servers, which take turns: the medians of each round."""
        rounds: list[tuple[float, float]] = []
        for _ in range(self.rounds + 1):
            times: dict[int, list[float]] = {one: [], other: []}
            until = perf_counter() + 2 * self.seconds
            while perf_counter() < until:
                for port in (one, other, other, one):
                    began = perf_counter()
                    await once(port, request)
                    times[port].append(perf_counter() - began)
            rounds.append((median(times[one]), median(times[other])))
        return rounds[1:]  # statements are prepared in the first


@dataclass(frozen=True, slots=True)
class Rates:
    """Answers a second of two servers, round by round."""

    one: list[float]
    other: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as many answers the one gives."""
        return [one / other for one, other in zip(self.one, self.other, strict=True)]

    def note(self, unit: str, *, each: int = 1) -> str:
        """Both figures, if an answer is worth `each`."""
        return f"{median(self.one) * each:,.0f} and {median(self.other) * each:,.0f} {unit}/s"
