"""Takes an entry out of a queue, and is at it until it is killed: `work.py URL ENTRY_ID`."""

import asyncio
import sys

from agentos.db.postgres import PostgresDb
from agentos.runner.durable.work import Work
from agentos.runner.service import RunService


async def main(url: str, entry_id: str) -> None:
    async def execute(argument) -> None:
        print("begins", argument["text"], flush=True)
        await asyncio.Event().wait()

    work = Work("letters", execute, PostgresDb(url))
    runs = RunService([], [work.db], works=[work])
    async with runs.running(grace=0):
        await runs.enqueue(work, entry_id, {"text": "hello"})
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
