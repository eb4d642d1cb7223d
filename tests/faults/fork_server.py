"""Processes that are forked from one that has imported the server already, which takes seconds of CPU.

They are processes like any other, with an id, a group and an exit status of their own.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Lock

from tests.flows.processes import READY, Process, end, environment, wait_until_listening

IMPORTED = [
    "agentos.os.app",
    "agentos.agent.agent",
    "agentos.db.postgres",
    "agentos.runner.durable.runtime",
    "dbos",
]

_context = get_context("forkserver")
_context.set_forkserver_preload(IMPORTED)


class Forked:
    """A forked process, with the members of `subprocess.Popen` that `Process` needs."""

    def __init__(self, process: ForkServerProcess, output: Connection) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.stdout = os.fdopen(os.dup(output.fileno()))
        self._process = process
        self._lock = Lock()

    def poll(self) -> int | None:
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            self._process.join(timeout)
            status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("forked", timeout or 0)
        return status


@contextmanager
def forked(path: Path, *, port: int, **env: str) -> Iterator[Process]:
    """As `tests.flows.processes.script`, but quicker."""
    reader, writer = _context.Pipe(duplex=False)
    clean = environment(AGENT_OS_PORT=str(port), **env)
    process = _context.Process(target=_run, args=(path, clean, writer))
    process.start()
    with reader, writer:
        popen = Forked(process, reader)
    started = Process(popen)
    try:
        for text in READY:
            started.wait_for(text)
        wait_until_listening(port)
        yield started
    finally:
        end(popen)


def _run(path: Path, env: dict[str, str], output: Connection) -> None:
    os.setsid()
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output.fileno(), stream.fileno())
        stream.reconfigure(line_buffering=True)
    output.close()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(path.parent)
    sys.path.insert(0, str(path.parent))
    sys.argv = [path.name]
    runpy.run_path(path.name, run_name="__main__")
