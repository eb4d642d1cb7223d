"""Requests that are too much: the server says so, stays up, and goes on serving others."""

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from agentos.os.api.requests import body_parser
from agentos.os.http import field_types
from agentos.os.http.body_limit import BodyLimit
from agentos.run.bounds import JsonLimits
from tests.os.threats import forged_tokens, raw
from tests.os.threats.threat import Threat, every, stands
from tests.os.threats.world import MAX_BODY, World

RUN = "/agents/web/runs"
TOKEN = forged_tokens.token("agents:run", "sessions:write", "sessions:read")
AUTHORIZED = ("Authorization", f"Bearer {TOKEN}")
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PARTS = ("Content-Type", "multipart/form-data; boundary=x")
PART = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'


def posted(*headers: tuple[str, str], body: bytes, path: str = RUN) -> Callable[[World], bool]:
    """Whether the server takes it."""
    sent = raw.request("POST", path, [AUTHORIZED, *headers], body)
    return lambda world: raw.exchange(world.os.port, sent).is_granted


def run(**fields: object) -> bytes:
    return json.dumps({"message": "hi", "stream": False, **fields}).encode()


def parts(count: int, *, name: str = "f{}", more: str = "", text: str = "x") -> bytes:
    given = [PART.format("message", "", "hi"), PART.format("stream", "", "false")]
    given += [PART.format(name.format(number), more, text) for number in range(count)]
    return ("".join(given) + "--x--\r\n").encode()


def form(count: int) -> bytes:
    return b"message=hi&stream=false" + b"".join(b"&f%d=x" % number for number in range(count))


def nested(depth: int) -> bytes:
    return b'{"message": "hi", "stream": false, "metadata": {"a": %s}}' % (b"[" * depth + b"]" * depth)


def values(count: int) -> bytes:
    return b'{"message": "hi", "stream": false, "metadata": {"a": [%s]}}' % b",".join([b"1"] * count)


def chunked(size: int) -> Iterator[bytes]:
    """A body that never says how long it will be, in pieces of 10,000 bytes."""
    yield raw.request("POST", RUN, [AUTHORIZED, JSON, ("Transfer-Encoding", "chunked")])
    body = run(message="m" * (size - len(run(message=""))))
    for start in range(0, len(body), 10_000):
        piece = body[start : start + 10_000]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def unlimited(patch: pytest.MonkeyPatch) -> None:
    """Reads bodies of any size."""

    async def call(self: BodyLimit, scope, receive, send):
        await self._app(scope, receive, send)

    patch.setattr(BodyLimit, "__call__", call)


def counting_nothing(patch: pytest.MonkeyPatch) -> None:
    """Takes forms with any number of parts."""
    patch.setattr(body_parser, "MAX_FIELDS", 10**6)
    patch.setattr(body_parser, "MAX_MEDIA", 10**6)


def as_deep_as_it_gets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(field_types, "MAX_DEPTH", 10**6)


def counting_no_json(patch: pytest.MonkeyPatch) -> None:
    """Hands JSON to the parser as it comes, and needs only some of it."""
    patch.setattr(JsonLimits, "check", lambda self, text, **given: None)
    reading_no_further(patch)


def inflating(patch: pytest.MonkeyPatch) -> None:
    """Unpacks what comes packed, and counts nothing before."""
    patch.setattr(JsonLimits, "check", lambda self, text, **given: None)
    read = body_parser.from_json
    patch.setattr(body_parser, "from_json", lambda text, **given: read(gzip.decompress(text), **given))


def reading_no_further(patch: pytest.MonkeyPatch) -> None:
    """Takes what it needs from a body and doesn't look at the rest."""
    patch.setattr(body_parser, "from_json", lambda text, **given: {"message": "hi", "stream": False})


SMALL, LARGE = run(message="m" * 1000), run(message="m" * MAX_BODY)
LARGE_PART = parts(1, text="x" * MAX_BODY)
PACKED = ("Content-Encoding", "gzip")
BOMB = gzip.compress(run(message="m" * 100_000))
TOO_MUCH = [
    Threat(name, attack, twin, weakness)
    for name, attack, twin, weakness in [
        ("JSON", posted(JSON, body=LARGE), posted(JSON, body=SMALL), unlimited),
        (
            "chunks",
            lambda world: raw.exchange(world.os.port, chunked(MAX_BODY + 1)).is_granted,
            lambda world: raw.exchange(world.os.port, chunked(MAX_BODY)).is_granted,
            unlimited,
        ),
        (
            "a part",
            posted(PARTS, body=parts(1, text="x" * MAX_BODY)),
            posted(PARTS, body=parts(1)),
            unlimited,
        ),
        ("a form", posted(FORM, body=form(1) + b"x" * MAX_BODY), posted(FORM, body=form(1)), unlimited),
        ("many fields", posted(FORM, body=form(2000)), posted(FORM, body=form(500)), counting_nothing),
        ("many parts", posted(PARTS, body=parts(1100)), posted(PARTS, body=parts(500)), counting_nothing),
        (
            "many files",
            posted(PARTS, body=parts(150, name="files", more='; filename="a.txt"')),
            posted(PARTS, body=parts(50, name="files", more='; filename="a.txt"')),
            counting_nothing,
        ),
        ("depth", posted(JSON, body=nested(80)), posted(JSON, body=nested(50)), as_deep_as_it_gets),
        (
            "a packed body",
            posted(JSON, ("Content-Encoding", "gzip"), body=BOMB),
            posted(JSON, body=SMALL),
            inflating,
        ),
        (
            "great depth",
            posted(JSON, body=nested(50_000)),
            posted(JSON, body=nested(50)),
            counting_no_json,
        ),
        (
            "many values",
            posted(JSON, body=values(100_001)),
            posted(JSON, body=values(50_000)),
            counting_no_json,
        ),
        (
            "a number of many digits",
            posted(JSON, body=b'{"message": "hi", "stream": false, "metadata": {"n": 1e99999}}'),
            posted(JSON, body=run(metadata={"n": 1e300})),
            reading_no_further,
        ),
        (
            "no number",
            posted(JSON, body=b'{"message": "hi", "stream": false, "metadata": {"n": NaN}}'),
            posted(JSON, body=run(metadata={"n": None})),
            reading_no_further,
        ),
    ]
]


@every(TOO_MUCH)
def test_too_much_is_refused(world, threat):
    stands(world, threat)
    assert world.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [(f"X-{number}", "x") for number in range(5000)],
        [("X-Long", "x" * 500_000)],
        [("X" * 500_000, "x")],
        [("Cookie", "; ".join(f"c{number}=x" for number in range(20_000)))],
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "-1")],
        [("Content-Length", "9" * 30)],
        [("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked, identity")],
        [("Transfer-Encoding", "\x0bchunked")],
        [(" Authorization", "x")],
        [("Authorization ", "x")],
        [("X-Folded", "x\r\n y")],
        [("Expect", "100-continue-and-more")],
    ],
    ids=range(14),
)  # fmt: skip
def test_headers_that_are_too_much_harm_nobody(world, headers):
    answer = raw.exchange(world.os.port, raw.request("POST", RUN, headers))
    assert answer.status in {0, 400, 401, 413, 431}
    assert world.ask("GET", "/health").status == 200


def test_slow_callers_hold_nobody_up(world):
    with ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", world.os.port), raw.TIMEOUT))
            slow.sendall(raw.request("POST", RUN, [AUTHORIZED, JSON, ("Content-Length", "1000")], b'{"mess'))
        assert world.ask("POST", RUN, TOKEN, body={"message": "hi", "stream": False}).status == 200


def test_pipelined_requests_are_judged_one_by_one(world):
    """The second has no token of its own, and gets none from the first."""
    first = raw.request("GET", "/agents", [("Authorization", f"Bearer {forged_tokens.token('agents:read')}")])
    second = raw.request("GET", "/agents")
    with socket.create_connection(("127.0.0.1", world.os.port), raw.TIMEOUT) as connection:
        connection.sendall(first.replace(b"Connection: close\r\n", b"") + second)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.count(b"HTTP/1.1 401") == 1


def test_a_body_doesnt_become_a_request(world):
    """What stands behind the announced end of a request without a token stays without one."""
    inner = raw.request("GET", "/agents")
    both = ("Transfer-Encoding", "chunked"), ("Content-Length", "4")
    sent = raw.request("POST", RUN, [AUTHORIZED, JSON, *both], b"0\r\n\r\n" + inner)
    with socket.create_connection(("127.0.0.1", world.os.port), raw.TIMEOUT) as connection:
        connection.sendall(sent)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"HTTP/1.1 200" not in answers
