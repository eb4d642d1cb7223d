"""The server that is killed, stopped and restarted: each step of a run comes to a place that the test knows.

A run is called what its message says. Its model asks for every tool of its agent at once, and then answers;
with `fickle` in the message it says something else when it is asked again.
"""

import json
import os
import re
import signal
from collections.abc import AsyncIterator

from points import at

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.models.openai import OpenAIChat
from agentos.os import AgentOS
from agentos.os.server.limits import QueueConfig
from agentos.run.messages import FunctionCall, ToolCall
from agentos.run.runnable import RunContext
from agentos.runner.worker import heartbeat, loops, worker
from agentos.team import Team
from agentos.tools import tool

loops.BEAT_SECONDS = heartbeat.BEAT_SECONDS = float(os.environ.get("BEAT_SECONDS", "0.4"))
worker.MAX_TAKEOVERS = int(os.environ.get("MAX_TAKEOVERS", "3"))
heartbeat.DEAD_SECONDS = float(os.environ.get("DEAD_SECONDS", "4"))
ARGUMENTS = {"pay": {"amount": 5}}
DELEGATE = "delegate_task_to_member"


async def look(run_context: RunContext) -> str:
    """Looks."""
    await at(_label(run_context), "look")
    return "seen"


async def count(run_context: RunContext) -> str:
    """Counts."""
    await at(_label(run_context), "count")
    return "4"


@tool(idempotent=False)
async def charge(run_context: RunContext) -> str:
    """Charges."""
    await at(_label(run_context), "charge")
    return "charged"


async def die() -> None:
    """Takes its process with it."""
    os.kill(os.getpid(), signal.SIGKILL)


@tool(requires_confirmation=True)
async def pay(amount: int, run_context: RunContext) -> str:
    """Pays."""
    await at(_label(run_context), f"pay {amount}")
    return f"paid {amount}"


async def remember(run_context: RunContext) -> str:
    """Puts the run's name into the session's state."""
    label = _label(run_context)
    run_context.session_state[label] = await at(label, "remember")
    return "remembered"


def _label(context: RunContext) -> str:
    assert context.run.input is not None
    return context.run.input.input_content


async def speak(request: ModelRequest) -> AsyncIterator[str | ModelResponse]:
    place = max(number for number, message in enumerate(request.messages) if message.role == "user")
    label = str(request.messages[place].content)
    turn = 1 + sum(message.role == "assistant" for message in request.messages[place:])
    take = await at(label, f"model-{turn}")
    calls = _calls(request, label, turn) if turn == 1 else []
    words = ["Let ", "me ", "see. "] if calls else _answer(label, take)
    for number, word in enumerate(words):
        yield word
        if number == 0:
            await at(label, f"model-{turn} speaks")
    await at(label, f"model-{turn} has spoken")
    yield ModelResponse(content="".join(words), tool_calls=calls)


def _calls(request: ModelRequest, label: str, turn: int) -> list[ToolCall]:
    """A call of every tool, and one for each member, whose run is called after it."""
    members = re.findall(r"^- (\S+)$", str(request.messages[0].content), re.MULTILINE)
    calls = [
        (spec.name, spec.name, ARGUMENTS.get(spec.name, {}))
        for spec in request.tools
        if spec.name != DELEGATE
    ]
    calls += [(member, DELEGATE, {"member_id": member, "task": f"{label}/{member}"}) for member in members]
    return [
        ToolCall(id=f"{what}-{turn}", function=FunctionCall(name=name, arguments=json.dumps(given)))
        for what, name, given in calls
    ]


def _answer(label: str, take: int) -> list[str]:
    said = re.search(r"(\d+) words", label)
    word = "again" if take > 1 and "fickle" in label else "word"
    return [f"{word}{number} " for number in range(int(said[1]) if said else 6)]


db = PostgresDb(os.environ["DATABASE_URL"], pool_size=5)


def agent(name: str, *tools: object, durable: bool = False) -> Agent:
    return Agent(id=name, model=FunctionModel(speak), db=db, tools=tools, durable=durable)


def asking(member: Agent, name: str) -> object:
    """A tool that asks another agent, whose run is called after it."""

    async def ask(run_context: RunContext) -> str:
        answer = await run_context.child(member, f"{_label(run_context)}/{name}", name=name)
        return str(answer.content)

    return tool(name=name, description="Asks.")(ask)


def team(name: str, *members: Agent | Team, mode: str = "coordinate") -> Team:
    return Team(id=name, model=FunctionModel(speak), db=db, members=members, durable=True, mode=mode)


right = agent("right", look)
deep = agent("deep", count)
left = agent("left", asking(deep, "deep"))
alpha, beta = agent("alpha", look), agent("beta", count)
teams = [
    team("duo", alpha, beta),
    team("router", alpha, mode="route"),
    team("patient", team("inner", agent("payer", pay), alpha), beta),
]

agents = [
    agent("plain", look, count),
    agent("durable", look, count, durable=True),
    agent("deadly", look, die, durable=True),
    agent("talker"),
    agent("durable-talker", durable=True),
    agent("careful", charge, durable=True),
    agent("nesting", asking(left, "left"), asking(right, "right"), durable=True),
    agent("plain-nesting", asking(left, "left"), asking(right, "right")),
    left,
    right,
    deep,
    alpha,
    beta,
    agent("paying", pay),
    agent("durable-paying", pay, durable=True),
    agent("remembering", remember),
    Agent(id="openai", model=OpenAIChat(id="fake", api_key="fake", max_retries=0), db=db),
]
agent_os = AgentOS(
    id="staged",
    agents=agents,
    teams=teams,
    durable=bool(os.environ.get("DURABLE")),
    queue=QueueConfig(**json.loads(os.environ.get("QUEUE", "{}"))),
    audit=bool(os.environ.get("AUDIT")),
    shutdown_grace=float(os.environ.get("GRACE", "10")),
)

if __name__ == "__main__":
    agent_os.serve(app=agent_os.get_app())
