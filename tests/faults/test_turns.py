"""Runs that wait for others, over two processes: limits, one conversation at a time, requests sent twice."""

import asyncio
import json

import pytest

from tests.faults.cluster import Shared
from tests.faults.follower import check, raw
from tests.faults.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = {"QUEUE": json.dumps({"max_running": 2, "max_queued": 7, "max_queued_per_user": 7})}
SPEAKS = "model-1 speaks"


def overlap(stage: Stage, labels: list[str]) -> int:
    """How many of the runs were in their model's turn at once, at most."""
    busy = most = 0
    for arrival in stage.arrivals:
        if arrival.label in labels:
            busy += {"model-1": 1, "model-1 has spoken": -1}.get(arrival.place, 0)
            most = max(most, busy)
    return most


async def test_no_more_runs_execute_or_wait_than_are_allowed(shared: Shared):
    stage, replicas = shared.stage, shared.replicas
    labels = [f"queued {number}" for number in range(9)]
    for label in labels:
        stage.hold(label, SPEAKS)
    runs: list[str] = []
    for number, label in enumerate(labels):
        runs.append(await replicas[number % 2].start("talker", label))
        await stage.reached(labels[min(number, 1)], SPEAKS)
    for replica in replicas:
        full = await replica.post("/agents/talker/runs", message="one more", background=True, stream=False)
        assert (full.status_code, int(full.headers["retry-after"]) > 0) == (429, True)
    left = list(labels)
    while left:
        there = await stage.until(lambda: [each for each in left if stage.takes(each)[SPEAKS]], "a run")
        stage.let_go(there[0])
        left.remove(there[0])
    for number, run_id in enumerate(runs):
        await replicas[number % 2].follow("talker", run_id).ended()
        assert (await replicas[number % 2].get("talker", run_id))["status"] == "COMPLETED"
    assert overlap(stage, labels) == 2
    assert stage.takes("one more") == {}


async def test_one_request_sent_to_two_processes_at_once_is_one_run(shared: Shared):
    stage, replicas = shared.stage, shared.replicas
    for number in range(5):
        headers, label = {"Idempotency-Key": f"key {number}"}, f"twice {number}"
        runs = [replica.run("talker", label, headers=headers) for replica in replicas]
        one, other = [await run.ended() for run in runs]
        check(one)
        assert raw(one) == raw(other)
        assert stage.takes(label)["model-1"] == 1
        for replica in replicas:
            refused = replica.run("talker", "another", headers=headers)
            await refused.ended()
            assert refused.status == 409


@pytest.mark.parametrize(
    ("policy", "end", "statuses"),
    [
        ("enqueue", "RunCompleted", ["COMPLETED", "COMPLETED"]),
        ("interrupt", "RunCancelled", ["CANCELLED", "COMPLETED"]),
        ("rollback", "RunCancelled", ["COMPLETED"]),
    ],
)
async def test_a_second_message_waits_for_its_turn(
    shared: Shared, policy: str, end: str, statuses: list[str]
):
    stage, one, other = shared.stage, shared.one, shared.other
    first, second = f"first {policy}", f"second {policy}"
    stage.hold(first, SPEAKS)
    early = one.run("talker", first, session_id=policy)
    await stage.reached(first, SPEAKS)
    late = other.run("talker", second, session_id=policy, multitask=policy)
    await late.answered()
    if policy == "enqueue":
        assert stage.takes(second) == {}
        stage.let_go(first)
    check(await early.ended(), end=end)
    check(await late.ended())
    listed = await other.client.get("/agents/talker/runs", params={"session_id": policy})
    assert [run["status"] for run in listed.json()] == statuses


async def test_a_second_message_is_refused(shared: Shared):
    stage, one, other = shared.stage, shared.one, shared.other
    stage.hold("first", SPEAKS)
    early = one.run("talker", "first", session_id="reject")
    await stage.reached("first", SPEAKS)
    late = other.run("talker", "second", session_id="reject", multitask="reject")
    await late.ended()
    assert late.status == 409
    stage.let_go("first")
    check(await early.ended())
    check(await other.run("talker", "third", session_id="reject", multitask="reject").ended())


async def test_what_two_runs_change_at_once_is_kept(shared: Shared):
    stage, replicas = shared.stage, shared.replicas
    labels = [f"run {number}" for number in range(6)]
    for label in labels:
        stage.hold(label, "model-2")
    runs = [
        replicas[number % 2].run("remembering", label, session_id="shared")
        for number, label in enumerate(labels)
    ]
    for label in labels:
        await stage.reached(label, "model-2")
    for label in labels:
        stage.let_go(label)
    for frames in await asyncio.gather(*(run.ended() for run in runs)):
        check(frames)
    session = (await replicas[0].client.get("/sessions/shared")).json()
    assert session["session_state"] == dict.fromkeys(labels, 1)
