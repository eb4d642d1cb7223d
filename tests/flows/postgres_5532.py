"""A Postgres at localhost:5532 as ai/ai/ai: the address that the examples have written into them."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from agentos.db.embedded import EmbeddedPostgres

PORT = 5532
URL = f"postgresql://ai:ai@127.0.0.1:{PORT}/ai"


@contextmanager
def postgres_5532() -> Iterator[str]:
    """Uses the one that runs there (a developer's, or another test process's), else starts one."""
    folder = Path(tempfile.gettempdir(), f"agentos-tests-{PORT}-{os.getuid()}")
    server = EmbeddedPostgres(folder, port=PORT, fsync=False)
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _listens():
            shutil.rmtree(folder, ignore_errors=True)
        if not _listens() or _is_ours(folder):
            server.start()
        _check()
    try:
        yield URL
    finally:
        server.stop()


def _listens() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


def _is_ours(folder: Path) -> bool:
    """A server in our folder is shared with the test processes that use it, and stops with the last."""
    return (folder / "cluster" / "postmaster.pid").exists()


def _check() -> None:
    try:
        psycopg.connect(URL).close()
    except psycopg.OperationalError as error:
        raise AssertionError(
            f"Something else listens on port {PORT}, where the examples want a Postgres for ai/ai: end it."
        ) from error
