"""Memories from runs: extracted afterwards, kept by the model itself, put into the prompt."""

from __future__ import annotations

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.db.contracts.memories import MemoryQuery
from agentos.errors import ModelError
from agentos.memory import MemoryManager
from agentos.models.base import ModelRequest
from agentos.models.function import FunctionModel
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from tests.agent.models import call, scripted

LIKES_TEA = call("add_memory", {"memory": "Alice likes tea.", "topics": ["drinks"]})


async def remembered(db: Db, user_id: str) -> list[str]:
    return [memory.memory for memory in (await db.list_memories(MemoryQuery(), owner=user_id)).rows]


async def test_a_run_leaves_memories_of_its_user_and_of_nobody_else(db: Db) -> None:
    keeper, requests = scripted([LIKES_TEA], "done")
    agent = Agent(
        id="waiter",
        model=scripted("Noted!")[0],
        db=db,
        update_memory_on_run=True,
        memory_manager=MemoryManager(model=keeper, instructions="Drinks matter."),
    )
    events = [e async for e in agent.arun("I like tea", user_id="alice", stream=True, stream_events=True)]
    names = [event.event for event in events]
    assert names[-4:] == [
        "RunContentCompleted",
        "MemoryUpdateStarted",
        "MemoryUpdateCompleted",
        "RunCompleted",
    ]
    page = await db.list_memories(MemoryQuery(), owner="alice")
    assert [(m.memory, m.topics, m.agent_id) for m in page.rows] == [
        ("Alice likes tea.", ["drinks"], "waiter")
    ]
    assert await remembered(db, "bob") == []
    assert "Drinks matter." in (requests[0].messages[0].content or "")


async def test_the_next_run_is_told(db: Db) -> None:
    model, requests = scripted("Noted!", [LIKES_TEA], "done", "Tea?", "nothing", "Hello.", "nothing")
    agent = Agent(model=model, db=db, update_memory_on_run=True)
    await agent.arun("I like tea", user_id="alice")
    await agent.arun("hi", user_id="alice")
    assert "Alice likes tea." in (requests[3].messages[0].content or "")
    await agent.arun("hi", user_id="bob")
    assert "Alice likes tea." not in str(requests[5].messages)


async def test_the_model_keeps_memories_itself_with_tools(db: Db) -> None:
    model, requests = scripted([LIKES_TEA], "ok", [call("get_memories")], "ok")
    agent = Agent(model=model, db=db, enable_agentic_memory=True)
    await agent.arun("I like tea", user_id="alice")
    run = await agent.arun("what do you know?", user_id="alice")
    ids = [m.memory_id for m in (await db.list_memories(MemoryQuery(), owner="alice")).rows]
    assert ids[0] in (run.tools[0].result or "")
    assert {spec.name for spec in requests[0].tools} == {
        "get_memories", "add_memory", "update_memory", "delete_memory",
    }  # fmt: skip


async def test_a_model_cant_touch_another_users_memory(db: Db) -> None:
    model, _ = scripted([LIKES_TEA], "ok")
    agent = Agent(model=model, db=db, enable_agentic_memory=True)
    await agent.arun("I like tea", user_id="alice")
    page = await db.list_memories(MemoryQuery(), owner=ANYONE)
    memory_id = page.rows[0].memory_id
    for user, left in (("bob", ["Alice likes tea."]), ("alice", [])):
        model, _ = scripted([call("delete_memory", {"memory_id": memory_id})], "ok")
        run = await Agent(model=model, db=db, enable_agentic_memory=True).arun("forget it", user_id=user)
        assert run.tools[0].tool_call_error is (user == "bob")
        assert await remembered(db, "alice") == left


async def test_without_a_user_nothing_is_remembered(db: Db) -> None:
    model, requests = scripted("Noted!")
    run = await Agent(model=model, db=db, update_memory_on_run=True).arun("I like tea")
    assert run.status is RunStatus.COMPLETED
    assert len(requests) == 1


async def test_a_failing_update_doesnt_fail_the_run(db: Db) -> None:
    def fail(request: ModelRequest) -> str:
        raise ModelError("busy", code="model_unavailable")

    agent = Agent(
        model=scripted("Noted!")[0],
        db=db,
        update_memory_on_run=True,
        memory_manager=MemoryManager(model=FunctionModel(fail)),
    )
    run = await agent.arun("I like tea", user_id="alice")
    assert (run.status, run.content) == (RunStatus.COMPLETED, "Noted!")
