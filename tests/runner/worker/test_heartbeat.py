"""A busy process isn't taken for a dead one; one that is stuck for good is."""

import asyncio
from threading import Event

import psycopg
import pytest

from agentos.runner.worker import heartbeat
from agentos.runner.worker.heartbeat import Heartbeat
from tests.db.made import WAITING
from tests.runner.durable.segments import until

PATIENCE = 20


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)


class Heard(Heartbeat):
    """Tells the test of each beat, in whichever thread it happens."""

    def __init__(self, db):
        super().__init__(db, "w1", lambda _: None)
        self.again, self.given_up = Event(), Event()

    def _is_stuck(self):
        is_stuck = super()._is_stuck()
        if is_stuck:
            self.given_up.set()
        return is_stuck

    async def _beat(self):
        unwanted = await super()._beat()
        self.again.set()
        return unwanted


def blocked_until(event):
    """Blocks the event loop, as careless code does."""
    event.clear()
    assert event.wait(PATIENCE)


def last_beat(database):
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT beat_at FROM ai.agentos_executors WHERE executor_id = 'w1'")
        return rows.fetchone()


async def test_a_worker_whose_loop_is_busy_is_alive(db, database):
    worker = Heard(db)
    async with worker.beating():
        blocked_until(worker.again)
        first = last_beat(database)
        blocked_until(worker.again)
        assert last_beat(database) > first


async def test_a_worker_whose_loop_is_stuck_is_left_to_others(db, monkeypatch):
    worker = Heard(db)
    async with worker.beating():
        blocked_until(worker.again)
        monkeypatch.setattr(heartbeat, "STUCK_SECONDS", 0.2)
        blocked_until(worker.given_up)
        worker.again.clear()
        blocked_until(worker.given_up)
        assert not worker.again.is_set()


async def test_what_is_asked_for_while_a_worker_beats_reaches_its_loop(db, database):
    told = asyncio.Event()
    cancelled = []

    def cancel(run_id):
        cancelled.append(run_id)
        told.set()

    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO ai.agentos_sessions (session_id, kind) VALUES ('s', 'agent');"
            "INSERT INTO ai.agentos_runs (run_id, session_id, kind, runnable_id, status, created_at,"
            " messages, details, executor_id, cancelling)"
            " VALUES ('r', 's', 'agent', 'web', 'RUNNING', 0, '[]', '{}', 'w1', 'cancel')"
        )
    async with Heartbeat(db, "w1", cancel).beating(), asyncio.timeout(PATIENCE):
        await told.wait()
    assert set(cancelled) == {"r"}


async def test_a_beat_that_comes_after_the_end_leaves_nothing(db, database, monkeypatch):
    monkeypatch.setattr(heartbeat, "END_SECONDS", 0.01)
    worker = Heard(db)
    with psycopg.connect(database.replace("+psycopg", "")) as other:
        async with worker.beating():
            blocked_until(worker.again)
            other.execute("LOCK TABLE ai.agentos_executors IN ACCESS EXCLUSIVE MODE")
            while other.execute(WAITING).fetchone() == (0,):
                await asyncio.sleep(0)
        worker.again.clear()
    await asyncio.to_thread(worker.again.wait, PATIENCE)
    await until(lambda: last_beat(database) is None)
