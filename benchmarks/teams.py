"""What a team's run costs beside the runs that it consists of, and what it leaves in the database.

Everything happens in this process, beside Postgres: processor time, which other programs on the machine
change little.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from statistics import median
from time import process_time

import psycopg

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.messages import FunctionCall, ToolCall
from agentos.run.records import RunOutput, RunStatus
from agentos.team import Team
from benchmarks.bench import Bench
from benchmarks.table import Row

MEMBERS = 20
REPEATED = 20
"""How often each side runs in a round; a broadcast a quarter as often."""
SAID = 14_000
"""Characters of a long answer."""

_BYTES = """
SELECT sum(pg_column_size(r)) FROM ai.agentos_runs AS r WHERE run_id = %(run)s OR root_run_id = %(run)s
"""

Work = Callable[[], Awaitable[object]]


async def teams(bench: Bench) -> list[Row]:
    """Teams beside single agents, with the same database and models that answer at once."""
    url = bench.database()
    db = PostgresDb(url)
    try:
        return [await _one_delegation(bench, db), await _broadcast(bench, db), await _stored(url, db)]
    finally:
        await db.close()


async def _one_delegation(bench: Bench, db: Db) -> Row:
    team = Team(
        model=_caller("delegate_task_to_member", member_id="a", task="Add."), members=[_agent("a")], db=db
    )
    calling = Agent(model=_caller("add", a=1, b=2), tools=[add], db=db)
    plain = _agent("plain", db)
    sides: Mapping[str, Work] = {
        "team": lambda: _completed(team),
        "calling": lambda: _completed(calling),
        "plain": lambda: _completed(plain),
    }
    rounds = [await _seconds(sides, times=REPEATED) for _ in range(bench.rounds + 1)][1:]
    ratios = [each["team"] / (each["calling"] + each["plain"]) for each in rounds]
    team_ms, others_ms = (
        median(sum(each[name] for name in names) for each in rounds) * 1000
        for names in (["team"], ["calling", "plain"])
    )
    name = "a team's run with one delegation, to a run with a tool call and a run"
    return Row(name, "≤", 1.1, ratios, f"{team_ms:.1f} and {others_ms:.1f} ms of this process")


async def _broadcast(bench: Bench, db: Db) -> Row:
    members = [_agent(f"a{number}") for number in range(MEMBERS)]
    leader = _caller("delegate_task_to_members", task="Add.")
    team = Team(model=leader, members=members, mode="broadcast", db=db)
    plain = _agent("plain", db)
    sides: Mapping[str, Work] = {
        "team": lambda: _completed(team),
        "plain": lambda: asyncio.gather(*(_completed(plain) for _ in range(MEMBERS))),
    }
    times = REPEATED // 4
    rounds = [await _seconds(sides, times=times) for _ in range(bench.rounds + 1)][1:]
    ratios = [each["team"] / each["plain"] for each in rounds]
    team_ms, plain_ms = (median(each[name] for each in rounds) * 1000 for name in sides)
    name = f"a broadcast to {MEMBERS} members, to {MEMBERS} runs at once"
    return Row(name, "≤", 1, ratios, f"{team_ms:.0f} and {plain_ms:.0f} ms of this process")


async def _stored(url: str, db: Db) -> Row:
    """Letters at random, which no compression makes smaller, so that text stored twice is seen."""
    said = [secrets.token_urlsafe(SAID)[:SAID] for _ in range(5)]
    members = [_agent(f"a{number}", text=text) for number, text in enumerate(said)]
    leader = _caller("delegate_task_to_members", task="Write.")
    run = await _completed(Team(model=leader, members=members, mode="broadcast", db=db))
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        (stored,) = connection.execute(_BYTES, {"run": run.run_id}).fetchone() or (0,)
    text = sum(map(len, said))
    name = f"stored bytes of a team's run with {len(said)} members, to the characters that they said"
    return Row(name, "≤", 1.2, [stored / text], f"{stored:,} bytes, {text:,} characters")


def _agent(name: str, db: Db | None = None, *, text: str = "It is 3.") -> Agent:
    return Agent(id=name, model=FunctionModel(lambda request: text), db=db)


def _caller(name: str, **arguments: object) -> FunctionModel:
    """A model that calls one tool, and answers when it has."""

    def answer(request: ModelRequest) -> ModelResponse | str:
        if request.messages[-1].role == "tool":
            return "It is 3."
        function = FunctionCall(name=name, arguments=json.dumps(arguments))
        return ModelResponse(tool_calls=[ToolCall(id="call", function=function)])

    return FunctionModel(answer)


async def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


async def _completed(runnable: Agent | Team) -> RunOutput:
    run = await runnable.arun("What is 1 + 2?")
    if run.status is not RunStatus.COMPLETED:
        raise RuntimeError(f"The run ended as {run.status}: {run.content}")
    return run


async def _seconds(sides: Mapping[str, Work], *, times: int) -> dict[str, float]:
    """Processor time of each side's work, on the average; the sides take turns."""
    spent = dict.fromkeys(sides, 0.0)
    for turn in range(times):
        for name in sides if turn % 2 == 0 else reversed(list(sides)):
            began = process_time()
            await sides[name]()
            spent[name] += process_time() - began
    return {name: seconds / times for name, seconds in spent.items()}
