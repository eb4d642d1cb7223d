"""What it would cost to record steps without DBOS: a table of our own, fenced by who holds the run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Final

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agentos.agent import Agent
from agentos.errors import RunLostError
from agentos.run.bounds import MAX_SIZE
from agentos.run.events import RunEvent
from agentos.run.runnable import RunContext
from agentos.run.text import json_of
from agentos.runner.durable.steps import RecordedSteps, StepRecord, recording

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS public.bench_steps (
    run_id text, name text, record jsonb NOT NULL, PRIMARY KEY (run_id, name)
)
"""
# A process that has lost the run inserts nothing, and one that is about to lose it holds the other one up.
_RECORD: Final = text("""
WITH held AS (
    SELECT run_id FROM ai.agentos_runs
    WHERE run_id = :run_id AND executor_id = :worker_id AND status = 'RUNNING'
    FOR KEY SHARE
)
INSERT INTO public.bench_steps (run_id, name, record)
SELECT run_id, :name, CAST(:record AS jsonb) FROM held
RETURNING 1
""")
_HOLDER: Final = text("SELECT executor_id FROM ai.agentos_runs WHERE run_id = :run_id")
_FORGET: Final = text("DELETE FROM public.bench_steps WHERE run_id = :run_id")


def prepare(url: str) -> AsyncEngine:
    """Makes the table; connections for it, each statement a transaction."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(_TABLE)
    return create_async_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), pool_size=6, isolation_level="AUTOCOMMIT"
    )


class FencedRecorder:
    """`Recorder` of a run that begins: nothing is recorded of it yet."""

    recorded: Mapping[str, StepRecord] = {}

    def __init__(self, engine: AsyncEngine, run_id: str, worker_id: str) -> None:
        self._engine = engine
        self._of = {"run_id": run_id, "worker_id": worker_id}

    async def record(self, name: str, record: StepRecord) -> None:
        """One round trip; RunLostError if the run is another process's now."""
        async with self._engine.connect() as connection:
            values = self._of | {"name": name, "record": json_of(record.plain())}
            if (await connection.execute(_RECORD, values)).first() is None:
                raise RunLostError("Another process executes the run now.")


class FencedAgent(Agent):
    """An agent whose steps are recorded there."""

    steps_engine: AsyncEngine | None = None

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """The agent's, and what was recorded is deleted at the end."""
        engine, run_id = self.steps_engine, context.run.run_id
        assert engine is not None
        async with engine.connect() as connection:
            holder = (await connection.execute(_HOLDER, {"run_id": run_id})).scalar_one()
        recording.set(FencedRecorder(engine, run_id, holder))
        context.steps = RecordedSteps(context, max_state=MAX_SIZE)
        async for event in super().events(context):
            yield event
        async with engine.connect() as connection:
            await connection.execute(_FORGET, {"run_id": run_id})
