"""Programs run as their users run them: as processes of their own, over real sockets."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Thread
from time import monotonic, sleep

READY = ("Application startup complete", "Uvicorn running on")
"""What a server prints; which comes first depends on whether it reloads."""
PATIENCE = 60
"""Seconds: a start takes one or two, but the machine may be busy."""

# What a developer's shell may have set must not decide a test.
FOREIGN = (
    "JWT_",
    "OPENAI_",
    "AGENT_OS_",
    "AGENTOS_HOST",
    "AGENTOS_PORT",
    "AGENTOS_JWT_",
    "AGENTOS_SECURITY",
    "AGENTOS_DB_URL",
    "AGENTOS_MODEL",
    "OS_SECURITY",
    "DATABASE_URL",
    "PG",
    "COLUMNS",
    "FORCE_COLOR",
)


class Process:
    """A running program and all it has printed so far."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self._lines: list[str] = []
        self._ended = False
        self._news = Condition()
        Thread(target=self._read, daemon=True).start()

    @property
    def output(self) -> str:
        with self._news:
            return "".join(self._lines)

    def wait_for(self, text: str) -> str:
        """Returns the output once `text` is in it."""
        with self._news:
            self._news.wait_for(lambda: self._ended or any(text in line for line in self._lines), PATIENCE)
            output = "".join(self._lines)
        assert text in output, f"no {text!r} within {PATIENCE} s:\n{output}"
        return output

    def wait(self) -> int:
        """The exit status once the program has ended."""
        return self.popen.wait(PATIENCE)

    def _read(self) -> None:
        assert self.popen.stdout
        with self.popen.stdout as stdout:
            for line in stdout:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def environment(**more: str) -> dict[str, str]:
    """This process's, less what would steer the program, plus `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return clean | {"PYTHONUNBUFFERED": "1", "NO_PROXY": "*", "NO_COLOR": "1"} | more


@contextmanager
def running(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], until: Sequence[str] = READY
) -> Iterator[Process]:
    """Starts a program in a process group of its own, of which nothing is left at the end."""
    popen = subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(env),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    process = Process(popen)
    try:
        for text in until:
            process.wait_for(text)
        yield process
    finally:
        end(popen)


def end(popen: subprocess.Popen[str]) -> None:
    """Asks the group to end, and makes it end."""
    if popen.poll() is None:
        # It may be gone without having said so: the fork server is told first.
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(popen.pid, signal.SIGTERM)
            popen.wait(PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()


@contextmanager
def script(path: Path, *, port: int, **env: str) -> Iterator[Process]:
    """Runs `python path`, which serves, on `port`; 'AGENT_OS_PORT' wins over what the file says."""
    command = [sys.executable, path.name]
    clean = environment(AGENT_OS_PORT=str(port), **env)
    with running(command, cwd=path.parent, env=clean) as process:
        wait_until_listening(port)
        yield process


def wait_until_listening(port: int) -> None:
    """A server that reloads says that it is ready a moment before its socket listens."""
    late = monotonic() + PATIENCE
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert monotonic() < late, f"nothing listens on port {port}"
        sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def fake_openai() -> Iterator[str]:
    """The base URL of a fake OpenAI in a process of its own."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--port", "0"]
    with running(command, cwd=root, env=environment(), until=["http://127.0.0.1:"]) as process:
        yield process.output.strip()
