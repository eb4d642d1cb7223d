"""Runs that are cancelled through another process than the one that has them."""

import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.faults.cluster import Replica, Shared
from tests.faults.follower import Frame, check, raw, said
from tests.flows.processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL_PORT = free_port()
SETTINGS = {"OPENAI_BASE_URL": f"http://127.0.0.1:{MODEL_PORT}/v1", "QUEUE": '{"max_running": 1}'}


async def cancelled(replica: Replica, agent: str, run_id: str, *, before: int = 0) -> list[Frame]:
    """The frames behind `before`, once it is cancelled; its log says so once, and it stays so."""
    assert await replica.cancel(agent, run_id) == 200
    frames = await replica.follow(agent, run_id, after=before).ended()
    assert [frame.event for frame in frames].count("RunCancelled") == 1
    assert frames[-1].event == "RunCancelled"
    assert (await replica.get(agent, run_id))["status"] == "CANCELLED"
    assert await replica.cancel(agent, run_id) == 409
    return frames


async def test_the_model_and_its_socket_are_really_stopped(shared: Shared):
    async with FakeOpenAI(port=MODEL_PORT) as model:
        run = shared.one.run("openai", "hang")
        await run.reached("RunContent", 3)
        frames = await cancelled(shared.other, "openai", await run.begun())
        await model.all_closed()
    check(frames, end="RunCancelled")
    assert raw(await run.ended()) == raw(frames)
    stored = await shared.one.get("openai", run.run_id)
    assert stored["content"] == said(frames) != ""


async def test_a_tool_is_really_stopped(shared: Shared):
    stage = shared.stage
    stage.hold("calls", "look")
    run = shared.one.run("plain", "calls")
    await stage.reached("calls", "look")
    frames = await cancelled(shared.other, "plain", await run.begun())
    await stage.until(lambda: [each.place for each in stage.left] == ["look"], "the tool's end")
    assert raw(await run.ended()) == raw(frames)
    assert (await shared.one.get("plain", run.run_id))["content"] == "Let me see. "
    assert stage.takes("calls")["model-2"] == 0


async def test_a_run_that_waits_ends_without_having_begun(shared: Shared):
    stage, one, other = shared.stage, shared.one, shared.other
    stage.hold("busy", "model-1")
    busy = await one.start("talker", "busy")
    await stage.reached("busy", "model-1")
    queued = await one.start("talker", "queued")
    assert (await other.get("talker", queued))["status"] == "PENDING"
    assert len(await cancelled(other, "talker", queued)) == 1
    stage.let_go("busy")
    await one.follow("talker", busy).ended()
    assert (await other.get("talker", busy))["status"] == "COMPLETED"
    assert stage.takes("queued") == {}


async def test_a_run_that_is_paused_keeps_what_it_has_said(shared: Shared):
    paused = shared.one.run("paying", "paused")
    assert (await paused.ended())[-1].event == "RunPaused"
    rest = await cancelled(shared.other, "paying", paused.run_id, before=paused.last)
    check(paused.frames + rest, end="RunCancelled", pauses=1)
    assert (await shared.one.get("paying", paused.run_id))["content"] == "Let me see. "
    assert "pay 5" not in shared.stage.takes("paused")
