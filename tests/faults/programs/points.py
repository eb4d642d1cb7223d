"""The places in `staged.py` where a run tells the test that it has come there, and waits to be let go."""

import asyncio
import json
import os


async def at(label: str, place: str) -> int:
    """How often the run called `label` has come to this place now. See `tests.faults.stage`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ["STAGE_PORT"]))
    try:
        writer.write(json.dumps([label, place, os.getpid()]).encode() + b"\n")
        return int(await reader.readline())
    finally:
        writer.close()
