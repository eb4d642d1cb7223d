"""The server that runs as several processes: it says which one answers, and its agent can wait or ask."""

import asyncio
import os

from fastapi import FastAPI

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.function import FunctionModel
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.tools import tool

db = PostgresDb(os.environ["DATABASE_URL"], pool_size=4)
base_app = FastAPI()


@base_app.get("/process")
async def process() -> int:
    """Which one answers."""
    return os.getpid()


@tool(requires_confirmation=True)
async def pay(amount: int) -> str:
    """Pays an amount."""
    return f"paid {amount}"


async def speak(_):
    """Never ends."""
    yield "one "
    await asyncio.Event().wait()


app = AgentOS(
    id="replicated",
    agents=[
        Agent(id="endless", model=FunctionModel(speak), db=db),
        Agent(id="asking", model=OfflineModel(), tools=[pay], db=db),
    ],
    base_app=base_app,
).get_app()
