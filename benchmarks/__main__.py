"""`python -m benchmarks`: measures, prints the table, and exits 1 if a promise isn't kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import uvloop
from rich.console import Console

from benchmarks import machine
from benchmarks.measures import MEASURES, Bench
from benchmarks.table import Row, show


def main(given: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}; all unless given"
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each side is measured")
    parser.add_argument("--seconds", type=float, default=1.5, help="of load in a round")
    arguments = parser.parse_args(given)
    unknown = set(arguments.names) - set(MEASURES)
    if unknown or arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error(
            f"unknown: {', '.join(unknown)}" if unknown else "--rounds and --seconds must be more than 0"
        )
    names = arguments.names or list(MEASURES)
    rows = uvloop.run(measured(names, rounds=arguments.rounds, seconds=arguments.seconds))
    return 0 if show(rows) else 1


async def measured(names: list[str], *, rounds: int, seconds: float) -> list[Row]:
    """The rows of all measures, in the order asked for."""
    rows: list[Row] = []
    with machine.postgres() as postgres:
        bench = Bench(postgres, machine.token(), rounds, seconds)
        for name in names:
            Console(stderr=True).print(f"Measuring {name} …", highlight=False)
            rows += await MEASURES[name](bench)
    return rows


if __name__ == "__main__":
    sys.exit(main())
