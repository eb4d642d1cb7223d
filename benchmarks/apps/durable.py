"""A server with the same agent thrice: nothing is recorded, DBOS records each step, or our own table does."""

from __future__ import annotations

import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.run.messages import FunctionCall, ToolCall
from benchmarks.apps.fenced import FencedAgent, prepare

db = PostgresDb(os.environ["DATABASE_URL"])


def turn(request: ModelRequest) -> ModelResponse | str:
    """Calls the tool, as often as the user's message asks."""
    called = sum(message.role == "tool" for message in request.messages)
    if called == int(next(each.content or "" for each in request.messages if each.role == "user")):
        return "done"
    call = ToolCall(id=f"call_{called}", function=FunctionCall(name="count", arguments="{}"))
    return ModelResponse(tool_calls=[call])


async def count() -> str:
    """Counts."""
    return "one more"


def agent(name: str, made: type[Agent] = Agent, *, durable: bool = False) -> Agent:
    """An agent that has nothing to think about."""
    return made(id=name, model=FunctionModel(turn), tools=[count], db=db, durable=durable)


FencedAgent.steps_engine = prepare(os.environ["DATABASE_URL"])
agents = [agent("plain"), agent("durable", durable=True), agent("fenced", FencedAgent)]
app = AgentOS(id="bench", agents=agents, audit=False).get_app()
