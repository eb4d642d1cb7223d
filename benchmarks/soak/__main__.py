"""Serves runs from several processes while these, and their database, are killed and restarted at random.

Exits 1 if a run, or an event that a client should have seen, is lost, or a step that was over is repeated.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

from rich.console import Console
from rich.table import Table

from agentos.db.embedded import EmbeddedPostgres
from agentos.db.postgres import PostgresDb
from benchmarks.soak.fleet import Fault, Fleet, Life
from benchmarks.soak.ledger import Account, account
from benchmarks.soak.pace import Pace
from benchmarks.soak.story import PLOTS, Story, Teller
from tests.faults.cluster import Cluster
from tests.faults.stage import Stage
from tests.flows.processes import free_port

KILL_EVERY, STOP_EVERY = 15, 60
"""Seconds, on average."""
STEP_SECONDS = 0.25
"""What a step takes, on average."""
SHOWN = 5
"""So many of what is wrong are named."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    seconds: float
    replicas: int
    workers: int
    clients: int
    seed: int


def main(given: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clients", type=int, default=20, help="how many begin runs, one after another")
    parser.add_argument("--seed", type=int, default=0, help="of what happens when")
    asked = parser.parse_args(given)
    if asked.minutes <= 0 or asked.replicas < 1 or asked.workers < 0 or asked.clients < 1:
        parser.error("--minutes must be more than 0, --replicas and --clients 1 or more, --workers 0 or more")
    plan = Plan(asked.minutes * 60, asked.replicas, asked.workers, asked.clients, asked.seed)
    folder = tempfile.mkdtemp(prefix="agentos-soak-")
    try:
        with EmbeddedPostgres(folder, fsync=False, port=free_port()) as postgres:
            PostgresDb(postgres.url()).schema.upgrade()
            found, lives, faults = asyncio.run(soak(plan, postgres))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(found, lives, faults)
    return 0 if found.is_clean else 1


async def soak(plan: Plan, postgres: EmbeddedPostgres) -> tuple[Account, list[Life], list[Fault]]:
    """The account, every process there was, and what was done to them."""
    random, url = Random(plan.seed), postgres.url()
    pace = Pace(url, seconds=STEP_SECONDS, random=random)
    async with Stage(pace) as stage:
        cluster = Cluster(url, stage)
        fleet = Fleet(cluster, postgres, random)
        try:
            await fleet.start(plan.replicas, plan.workers)
            watching = asyncio.create_task(fleet.watch())
            stories = await happenings(plan, fleet, random)
            for life in fleet.lives:
                if life.replica.process.popen.poll() is None:
                    life.look()
            watching.cancel()
            await asyncio.wait([watching])
            if not watching.cancelled() and (error := watching.exception()):
                raise error
            found = await asyncio.to_thread(account, url, stories, stage.arrivals, pace.repeated)
            return found, fleet.lives, fleet.faults
        finally:
            await cluster.close()


async def happenings(plan: Plan, fleet: Fleet, random: Random) -> list[Story]:
    """Clients and faults at once, until the time is over and every story has ended."""
    stories: list[Story] = []
    late = monotonic() + plan.seconds

    async def client(number: int) -> None:
        teller = Teller(fleet.any, random)
        while monotonic() < late:
            (plot,) = random.choices(list(PLOTS), list(PLOTS.values()))
            words = random.choice(["6 words", "40 words", "40 fickle words"])
            story = Story(f"run {number}.{len(stories)}, {words}", plot)
            stories.append(story)
            await teller.tell(story)

    async def faults() -> None:
        for at, fault in planned(plan.seconds, random):
            await asyncio.sleep(max(0, late - plan.seconds + at - monotonic()))
            await fleet.fail(fault)

    await asyncio.gather(faults(), *(client(number) for number in range(plan.clients)))
    return stories


def planned(seconds: float, random: Random) -> list[tuple[float, Fault]]:
    """When what goes wrong: of each at least one, and of the database just one."""
    often: dict[Fault, float] = {"database": 1, "kill": seconds / KILL_EVERY, "stop": seconds / STOP_EVERY}
    return sorted(
        (random.uniform(0.1, 0.9) * seconds, fault)
        for fault, times in often.items()
        for _ in range(max(1, int(times)))
    )


def show(found: Account, lives: Sequence[Life], faults: Sequence[Fault]) -> None:
    """The table."""
    table = Table("What", "How many", "")
    kills = ", ".join(f"{faults.count(each)} {each}" for each in ("kill", "stop", "database"))
    table.add_row("faults", str(len(faults)), kills)
    table.add_row("runs accepted", str(found.accepted), f"{found.reconnects} reconnects")
    ended = ", ".join(f"{count} {status}" for status, count in sorted(found.ended.items()))
    table.add_row("runs finished", str(sum(found.ended.values())), ended)
    table.add_row("  as process_died", str(found.died), "not durable, and their process was killed")
    failed = ", ".join(f"{count} {code}" for code, count in found.failed.items())
    table.add_row("  failed otherwise", str(sum(found.failed.values())), failed)
    table.add_row("runs resumed", str(found.resumed), "in another process, without a pause")
    for name, wrong in (
        ("repeated steps", found.repeated),
        ("lost events", found.lost_events),
        ("lost runs", found.lost_runs),
    ):
        table.add_row(name, str(len(wrong)), "\n".join(wrong[:SHOWN]))
    for name in sorted({life.name for life in lives}):
        longest = max((each for each in lives if each.name == name), key=lambda each: each.seconds)
        if longest.memory:
            memory = f"{longest.memory[0]} → {longest.memory[-1]} MiB"
            table.add_row(f"memory of {name}", memory, f"in {longest.seconds:.0f} seconds")
    Console(width=None if Console().is_terminal else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
