"""Large bodies of one caller wait for their turn while others use the server; nothing else does."""

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter

import httpx
import pytest

from agentos.errors import ConfigurationError, TooManyBytesError
from agentos.os import AgentOS
from agentos.os.http.pace import MAX_SECONDS, SMALL, UPLOADED, Pace, announced
from tests.os.apps import agent, bearer, listening, secured

LARGE = 10 * SMALL
RATE = LARGE
"""One large body a second."""


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pace(clock):
    return Pace(RATE, clock=clock)


def test_a_caller_who_is_alone_never_waits(pace, clock):
    assert [pace.wait("ann", LARGE) for _ in range(100)] == [0.0] * 100
    pace.wait("bob", 0)
    clock.now += 61
    assert [pace.wait("ann", LARGE) for _ in range(100)] == [0.0] * 100, "bob left a minute ago"


def test_beside_others_large_bodies_take_turns(pace, clock):
    pace.wait("bob", 0)
    assert [pace.wait("ann", LARGE) for _ in range(3)] == [0.0, 1.0, 2.0]
    assert pace.wait("ann", SMALL) == 0.0, "a small body never waits"
    assert pace.wait("bob", LARGE) == 0.0, "nor does another caller's"
    clock.now += 5
    assert [pace.wait("ann", LARGE) for _ in range(2)] == [0.0, 1.0], "what wasn't used is gone"


def test_uploads_are_read_faster(pace):
    pace.wait("bob", 0)
    assert [pace.wait("ann", LARGE, upload=True) for _ in range(3)] == [0.0, 1 / UPLOADED, 2 / UPLOADED]


def test_who_is_too_far_ahead_is_refused_and_books_no_more(pace, clock):
    pace.wait("bob", 0)
    pace.wait("ann", int(RATE * (MAX_SECONDS + 5)))
    for _ in range(3):
        with pytest.raises(TooManyBytesError, match="large bodies one after the other") as refused:
            pace.wait("ann", LARGE)
        assert refused.value.retry_after == 35
    clock.now += 6
    pace.wait("bob", 0)
    assert pace.wait("ann", LARGE) == 29.0


def test_what_has_arrived_takes_turns_of_its_own(pace, clock):
    pace.wait("bob", 0)
    assert [pace.wait("ann", LARGE) for _ in range(2)] == [0.0, 1.0]
    assert pace.wait("ann", LARGE, arrived=True) == 0.0, "who has waited doesn't wait again"
    clock.now += 1
    assert pace.wait("ann", LARGE, arrived=True) == 0.0
    assert pace.wait("ann", LARGE, arrived=True) == 1.0


@pytest.mark.parametrize("text", ["655360", "0" * 30 + "655360", "655360 ", "655360\t", " 655360"])
def test_a_size_is_read_as_a_server_reads_it(text):
    assert announced({"type": "http", "headers": [(b"content-length", text.encode())]}) == LARGE


@pytest.mark.parametrize("text", ["", "0", "000", "-5", "5, 5", "0x5"])
def test_no_size_is_none(text):
    assert announced({"type": "http", "headers": [(b"content-length", text.encode())]}) == 0


def test_turns_of_the_past_are_forgotten(pace, clock):
    for caller in range(5000):
        pace.wait(f"caller {caller}", LARGE)
        clock.now += 0.1
    assert len(pace._next) <= 1000


@asynccontextmanager
async def server(db, rate):
    app = secured(AgentOS(db=db, agents=[agent(db=db)], max_bytes_per_second=rate).get_app())
    async with listening(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


async def sent(client, user, content=b'{"metadata": {"text": "%s"}}' % (b"x" * LARGE)):
    """The status, and the seconds until it came."""
    began = perf_counter()
    headers = bearer(user) | {"content-type": "application/json"}
    answer = await client.post("/sessions", content=content, headers=headers)
    return answer.status_code, perf_counter() - began


async def test_a_second_large_body_waits_while_another_user_is_there(db):
    async with server(db, RATE) as client:
        for _ in range(3):
            status, alone = await sent(client, "ann")
            assert (status, alone < 0.9) == (201, True)
            assert (await client.get("/health")).status_code == 200, "a probe is no user"
        await client.get("/memories", headers=bearer("bob"))
        await sent(client, "ann")
        status, beside = await sent(client, "ann")
        assert (status, beside > 0.9) == (201, True)
        status, other = await sent(client, "bob")
        assert (status, other < 0.9) == (201, True)


async def in_pieces(size):
    yield b'{"metadata": {"text": "'
    for _ in range(size // SMALL):
        yield b"x" * SMALL
    yield b'"}}'


async def test_a_large_body_that_does_not_say_its_size_counts_as_larger(db):
    async with server(db, RATE // 2) as client:
        await client.get("/memories", headers=bearer("bob"))
        assert (await sent(client, "ann", in_pieces(LARGE)))[0] == 201
        assert (await sent(client, "ann", in_pieces(LARGE)))[0] == 429
        assert (await sent(client, "ann"))[0] == 429
        for _ in range(3):
            assert (await sent(client, "ann", in_pieces(0)))[0] == 201, "a small one never waits"


async def test_bodies_whose_ends_were_kept_back_are_not_used_all_at_once(db):
    body = b'{"metadata": {"text": "%s"}}' % (b"x" * LARGE)
    head = f"POST /sessions HTTP/1.1\r\nhost: test\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
    head += f"authorization: {bearer('ann')['Authorization']}\r\ncontent-type: application/json\r\n\r\n"
    async with server(db, 2 * RATE) as client:
        opened = [await asyncio.open_connection(client.base_url.host, client.base_url.port) for _ in range(4)]
        for _, writer in opened:  # nobody else is there, so none of them waits
            writer.write(head.encode() + body[:-1])
            await writer.drain()
        await client.get("/memories", headers=bearer("bob"))
        began = perf_counter()
        for _, writer in opened:
            writer.write(body[-1:])
        answers = await asyncio.gather(*(reader.read() for reader, _ in opened))
        for _, writer in opened:
            writer.close()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 201"] * 4
    assert perf_counter() - began > 1.4


async def test_the_texts_of_a_multipart_form_are_no_uploads(db):
    text = "x" * LARGE

    async def run(**parts):
        began = perf_counter()
        answer = await client.post("/agents/web/runs", headers=bearer("ann"), **parts)
        assert answer.status_code == 200, answer.text
        return perf_counter() - began

    async with server(db, RATE) as client:
        await client.get("/memories", headers=bearer("bob"))
        asked = {"message": (None, "hi"), "stream": (None, "false")}
        for _ in range(2):
            assert await run(files={**asked, "files": ("a.txt", text.encode())}) < 0.9
        await run(files={**asked, "message": (None, text)})
        assert await run(files={**asked, "message": (None, text)}) > 0.9


def test_a_rate_of_nothing_is_refused(db):
    with pytest.raises(ConfigurationError, match="max_bytes_per_second=0"):
        AgentOS(db=db, max_bytes_per_second=0)
