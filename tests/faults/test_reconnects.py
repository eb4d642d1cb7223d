"""What a client gets that loses its connection again and again, or reads slowly."""

import asyncio
import socket

import httpx
import pytest

from tests.faults.cluster import Shared
from tests.faults.follower import check, frame, raw

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = {}


async def test_reconnecting_at_every_frame_gives_the_unbroken_stream(shared: Shared):
    stage, replicas = shared.stage, shared.replicas
    stage.hold("it", "look", "model-2 speaks")
    unbroken = replicas[0].run("plain", "it")
    await stage.reached("it", "look")
    await unbroken.reached("ToolCallCompleted")
    live = [
        (place, replica.follow("plain", unbroken.run_id, after=place))
        for place in range(unbroken.last + 1)
        for replica in replicas
    ]
    stage.let_go("it", "look")
    await stage.reached("it", "model-2 speaks")
    live += [(unbroken.last, each.follow("plain", unbroken.run_id, after=unbroken.last)) for each in replicas]
    stage.let_go("it")
    frames = await unbroken.ended()
    check(frames)
    for place, follower in live:
        assert raw(await follower.ended()) == raw(frames[place:]), place
        assert follower.is_whole
    for replica in replicas:
        for place in range(len(frames) + 1):
            follower = replica.follow("plain", unbroken.run_id, after=place)
            assert raw(await follower.ended()) == raw(frames[place:]), place


async def test_a_run_is_resumed_as_the_contract_says(shared: Shared):
    one, other = shared.replicas
    frames = await one.run("talker", "said").ended()
    url = f"/agents/talker/runs/{frames[0].data['run_id']}/resume"
    for place in range(len(frames)):
        resumed = await other.post(url, last_event_index=frames[place].data["event_index"])
        assert resumed.text == "".join(f"{each.raw}\n\n" for each in frames[place + 1 :])


async def test_a_follower_that_does_not_read_holds_nobody_up(shared: Shared):
    stage, replicas = shared.stage, shared.replicas
    label = "5000 words"
    stage.hold(label, "model-1")
    run = replicas[0].run("talker", label)
    run_id = await run.begun()
    idle = [await asyncio.to_thread(asked, replica.client, run_id) for replica in replicas]
    stage.let_go(label)
    frames = await run.ended()
    check(frames)
    for connection in idle:
        text = await asyncio.to_thread(read, connection)
        blocks = [block for block in text.split("\n\n")[:-1] if not block.startswith(":")]
        assert [frame(block).raw for block in blocks] == raw(frames)


def asked(client: httpx.AsyncClient, run_id: str) -> socket.socket:
    """A connection that has asked for the run's events, and has no room for them."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((client.base_url.host, client.base_url.port))
    request = f"GET /agents/talker/runs/{run_id}/events HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"
    connection.sendall(request.encode())
    return connection


def read(connection: socket.socket) -> str:
    """The body, freed of its chunks."""
    with connection, connection.makefile("rb") as stream:
        while stream.readline() != b"\r\n":
            pass
        body = b""
        while size := int(stream.readline(), 16):
            body += stream.read(size)
            stream.readline()
    return body.decode()
