"""Followers look after a run that nothing is heard of again and again, which must cost next to nothing."""

import asyncio

import pytest

from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from agentos.runner.events import reader
from agentos.runner.events.reader import LogReader
from tests.db.made import a_run, accepted


class Payloads:
    """How often a whole run was read."""

    def __init__(self, db, monkeypatch):
        self.count = 0
        read = db.get_run

        async def get_run(*args, **options):
            self.count += 1
            return await read(*args, **options)

        monkeypatch.setattr(db, "get_run", get_run)


async def test_who_waits_for_a_run_reads_no_more_of_it_than_its_status(db, monkeypatch):
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.01)
    run, tails, payloads = a_run(status=RunStatus.PENDING), LogReader(db), Payloads(db, monkeypatch)
    await accepted(db, run, background=True)
    looks, looked = asyncio.Semaphore(0), db.run_status

    async def run_status(*args, **options):
        looks.release()
        return await looked(*args, **options)

    monkeypatch.setattr(db, "run_status", run_status)
    waiting = [asyncio.create_task(anext(tails.follow(run, 0))) for _ in range(5)]
    async with asyncio.timeout(30):
        for _ in range(20):
            await looks.acquire()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await tails.close()
    assert payloads.count == 0


@pytest.mark.parametrize(("owner", "may"), [("alice", True), ("bob", False), (ANYONE, True)])
async def test_a_status_is_its_owners_to_see(db, owner, may):
    run = a_run(status=RunStatus.PENDING)
    await accepted(db, run, background=True)
    assert await db.run_status(run.run_id, owner=owner) == (RunStatus.PENDING if may else None)
    assert await db.run_status("a\0b", owner=owner) is None
