"""A server whose agent says what time it is, as often and in such intervals as the message asks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from time import monotonic, monotonic_ns

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelRequest
from agentos.models.function import FunctionModel
from agentos.os import AgentOS


async def ticks(request: ModelRequest) -> AsyncGenerator[str]:
    """Nanoseconds of the machine's monotonic clock, which all its processes share."""
    began = monotonic()
    count, seconds = (request.messages[-1].content or "").split()
    for number in range(int(count)):
        await asyncio.sleep(began + number * float(seconds) - monotonic())
        yield f"{monotonic_ns()} "


agent = Agent(id="research-agent", model=FunctionModel(ticks), db=PostgresDb(os.environ["DATABASE_URL"]))
app = AgentOS(id="bench", agents=[agent], audit=False).get_app()
