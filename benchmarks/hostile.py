"""What one user's worst requests that are allowed do to another user's small ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from statistics import quantiles
from time import perf_counter
from typing import Final

from agentos.os.app import MAX_BODY_BYTES
from agentos.os.http.streams import MAX_STREAMS
from agentos.run.bounds import JSON_LIMITS
from benchmarks import machine
from benchmarks.bench import RUNS, Bench
from benchmarks.load import get, once, post
from benchmarks.table import Row

SAMPLES: Final = 200
"""Requests of each type, idle and beside each attack."""
LEAST: Final = 20
PHASE_SECONDS: Final = 60.0
"""Seconds after which fewer samples, but at least LEAST, must do: a server that is stuck is seen in those."""
WORD_SECONDS: Final = 0.1
"""Between the words of the attacker's streams, which take some seconds each."""
AT_ONCE: Final = 4
"""Connections of the attacker, except for streams."""
SLOWER: Final = 3
"""How many times as long a request may take."""
UPLOAD: Final = MAX_BODY_BYTES // 4
"""Bytes of a file. Four at once are as much as one request may have."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A request that is sent again as soon as it is answered, on each of some connections."""

    request: bytes
    connections: int = AT_ONCE


async def hostile(bench: Bench) -> list[Row]:
    """One row for each attack: the worst of three ratios."""
    bob = machine.token("bob")
    requests = {
        "/health": get("/health", bob),
        "the list": get("/sessions?limit=20", bob),
        "a run": post(RUNS, bob, "message=hello&stream=false"),
    }
    rows: list[Row] = []
    with (
        machine.fake_openai(WORD_SECONDS) as model,
        machine.server("served", bench.database(), model) as port,
    ):
        await _slowest(port, requests, samples=20)
        idle = await _slowest(port, requests)
        for name, attack in _attacks().items():
            async with _under(port, attack):
                beside = await _slowest(port, requests)
            worst = max(beside[each] / idle[each] for each in requests)
            note = ", ".join(f"{each} {idle[each]:.1f} and {beside[each]:.1f} ms" for each in requests)
            rows.append(
                Row(f"95 of 100 of a user's requests beside another's {name}", "≤", SLOWER, [worst], note)
            )
    return rows


def _attacks() -> Mapping[str, Attack]:
    """Each by a user of its own: what one waits for is no business of the next."""
    tokens = (machine.token(f"mallory{number}") for number in count())
    numbers = [1] * (JSON_LIMITS.values - 10)
    text = "x" * (JSON_LIMITS.bytes - 1000)
    file = (
        b'\r\n--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n' + b"x" * UPLOAD
    )
    asked = {"message": "hi", "stream": False}
    return {
        "JSON with the most values": Attack(_json(next(tokens), {**asked, "metadata": {"n": numbers}})),
        "longest messages": Attack(_json(next(tokens), {**asked, "message": text})),
        "largest forms": Attack(_closing(post(RUNS, next(tokens), f"message={text}&stream=false"))),
        f"uploads of {UPLOAD // 2**20} MiB": Attack(_multipart(next(tokens), file)),
        f"{MAX_STREAMS} streams": Attack(
            _closing(post(RUNS, next(tokens), "message=hi&stream=true")), MAX_STREAMS
        ),
        "queued runs": Attack(_json(next(tokens), {**asked, "background": True})),
    }


def _json(token: str, body: object) -> bytes:
    return _body(token, "application/json", json.dumps(body, separators=(",", ":")).encode())


def _multipart(token: str, part: bytes) -> bytes:
    fields = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"message": "hi", "stream": "false"}.items()
    )
    body = fields.encode().removesuffix(b"\r\n") + part + b"\r\n--x--\r\n"
    return _body(token, "multipart/form-data; boundary=x", body)


def _body(token: str, kind: str, body: bytes) -> bytes:
    head = (
        f"POST {RUNS} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\nconnection: close\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _closing(request: bytes) -> bytes:
    return request.replace(b"host: bench\r\n", b"host: bench\r\nconnection: close\r\n", 1)


@asynccontextmanager
async def _under(port: int, attack: Attack) -> AsyncGenerator[None]:
    """The attack goes on inside. RuntimeError if the server doesn't take its first request."""
    first = asyncio.get_running_loop().create_future()

    async def attacking() -> None:
        while True:
            with suppress(ConnectionError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(attack.request)
                await writer.drain()
                answer = await reader.readexactly(12)
                if not first.done():
                    first.set_result(answer)
                while await reader.read(2**20):
                    pass
                writer.close()

    tasks = [asyncio.create_task(attacking()) for _ in range(attack.connections)]
    try:
        if not (await first).startswith(b"HTTP/1.1 20"):
            raise RuntimeError(f"The attack isn't allowed: {first.result()}")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _slowest(port: int, requests: Mapping[str, bytes], *, samples: int = SAMPLES) -> dict[str, float]:
    """Milliseconds within which 95 of 100 requests of each type are answered, one after the other."""
    times: dict[str, list[float]] = {name: [] for name in requests}
    until = perf_counter() + PHASE_SECONDS
    for sample in range(samples):
        if sample >= LEAST and perf_counter() > until:
            break
        for name, request in requests.items():
            began = perf_counter()
            await once(port, request)
            times[name].append((perf_counter() - began) * 1000)
    return {name: quantiles(each, n=20)[-1] for name, each in times.items()}
