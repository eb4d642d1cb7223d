"""`agentos demo` brings all it needs, does what it prints, and leaves nothing running."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest

from tests.flows.curl import Answer, paste
from tests.flows.processes import Process, environment, free_port, running
from tests.flows.seeds import curls

AGENTOS = Path(sys.executable).with_name("agentos")


@pytest.fixture
def data() -> Iterator[Path]:
    """Not one of pytest's folders: where root runs this, Postgres is `nobody`, who may not go there."""
    folder = Path(tempfile.mkdtemp(prefix="agentos-demo-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def demo(data: Path, **env: str) -> Iterator[tuple[Process, int]]:
    port = free_port()
    command = [str(AGENTOS), "demo", "--port", str(port), "--data-dir", str(data)]
    with running(command, cwd=data, env=environment(**env), until=["/memories"]) as process:
        yield process, port


def exports(process: Process) -> dict[str, str]:
    return dict(re.findall(r'^export (\w+)="(\S+)"$', process.output, re.MULTILINE))


def answers(process: Process, port: int) -> list[Answer]:
    return [paste(command, port=port, env=exports(process)) for command in curls(process.output)]


def postgres_port(data: Path) -> int:
    return int((data / "cluster" / "postmaster.pid").read_text().splitlines()[3])


def listens(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def test_every_line_that_it_prints_works_when_pasted(data: Path):
    with demo(data) as (process, port):
        read, refused, counted, remembered, own, everyones, memories = answers(process, port)
    assert [agent["id"] for agent in read.json] == ["research-agent"]
    assert (refused.status, refused.json["missing"]) == (403, ["app:run", "app:execute"])
    assert [e["tool"]["result"] for e in counted.events if e["event"] == "ToolCallCompleted"] == ["7"]
    assert remembered.json["status"] == "COMPLETED"
    assert (own.status, own.json["data"]) == (200, [])
    assert {session["user_id"] for session in everyones.json["data"]} == {"user_456"}
    assert [memory["memory"] for memory in memories.json["data"]] == ["Likes tea"]


def test_each_stop_ends_its_postgres_and_each_start_has_the_data_and_a_secret_of_its_own(data: Path):
    signatures: list[str] = []
    for sent in signal.SIGINT, signal.SIGTERM:
        with demo(data) as (process, port):
            database = postgres_port(data)
            assert listens(database)
            *_, remember, _, everyones, _ = answers(process, port)
            signatures.append(exports(process)["BASIC_TOKEN"].rpartition(".")[2])
            os.kill(process.popen.pid, sent)
            assert process.wait() in {0, 128 + sent}
            assert not listens(database)
        assert "Traceback" not in process.output
    assert len(everyones.json["data"]) == 4
    assert remember.json["session_id"] in {session["session_id"] for session in everyones.json["data"]}
    assert signatures[0] != signatures[1]


def test_it_takes_a_secret_from_the_environment_but_never_another_address(data: Path):
    secret, other = "a secret that somebody has set, long enough for HS256", str(free_port())
    env = {"JWT_VERIFICATION_KEY": secret, "AGENT_OS_HOST": "0.0.0.0", "AGENT_OS_PORT": other}
    with demo(data, **env) as (process, port):
        token = exports(process)["BASIC_TOKEN"]
        answer = paste(f'curl -H "Authorization: Bearer {token}" http://127.0.0.1:{port}/agents', port=port)
        assert listens(port)
        assert not listens(int(other))
        # A server on every address would answer here, too.
        assert not listens(port, "127.0.0.2")
    assert jwt.decode(token, secret, algorithms=["HS256"])["sub"] == "user_123"
    assert answer.status == 200


def test_a_port_that_is_taken_is_one_sentence_and_starts_nothing(data: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [AGENTOS, "demo", "--port", str(port), "--data-dir", data],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"agentos: Port {port} on 127.0.0.1 is taken")
    assert list(data.iterdir()) == []


def test_a_verification_key_that_is_no_secret_is_one_sentence(data: Path):
    done = subprocess.run(
        [AGENTOS, "demo", "--port", str(free_port()), "--data-dir", data],
        env=environment(JWT_VERIFICATION_KEY="short"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "too short for HS256" in done.stderr
    assert "Traceback" not in done.stderr
