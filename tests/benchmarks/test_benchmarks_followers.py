"""What the benchmarks say of a followed run is what came of it."""

import asyncio
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns

import pytest

from benchmarks.followers import Asked, follow

ROOT = Path(__file__).parents[2]
ASKED = Asked("/runs", "token", "2 0.01")


def answer(*frames: tuple[int, str]) -> bytes:
    body = b"".join(
        f'id: {seq}\ndata: {{"run_id":"r","content":"{text}"}}\n\n'.encode() for seq, text in frames
    )
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@asynccontextmanager
async def answering(reply: bytes, *, piece: int = 7):
    """The port of a server that sends `reply` in pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for start in range(0, len(reply), piece):
            writer.write(reply[start : start + piece])
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("seqs", "is_whole"), [((1, 2, 3), True), ((1, 3, 4), False), ((1, 2, 2), False)])
async def test_a_gap_or_a_repetition_is_seen(seqs, is_whole):
    frames = [(seq, f"{monotonic_ns()} ") for seq in seqs]
    async with answering(answer(*frames)) as port:
        (followed,) = await follow(port, port, ASKED, streams=1)
    assert followed.is_whole is is_whole
    assert len(followed.latencies) == 3
    assert all(0 < each < 10_000 for each in followed.latencies)


async def test_only_single_tokens_count():
    whole = (3, "1 2 ")
    async with answering(answer((1, ""), (2, f"{monotonic_ns()} "), whole)) as port:
        (followed,) = await follow(port, port, ASKED, streams=1)
    assert followed.is_whole
    assert len(followed.latencies) == 1


async def test_an_answer_that_breaks_off_is_none():
    async with answering(answer((1, "1 "), (2, "2 "))[:-5]) as port:
        with pytest.raises(RuntimeError, match="Broken off"):
            await follow(port, port, ASKED, streams=1)


def test_every_token_of_fifty_streams_arrives_at_a_second_process():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "follow", "--rounds", "1", "--seconds", "0.2"],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert re.search(r"≥ 1 +│ 1\.00 +│ ok", done.stdout), done.stdout + done.stderr
