"""`agentos postgres` serves the address that it prints, and leaves nothing running."""

import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.flows.processes import environment, free_port, running

INTERRUPTIBLE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a program as a terminal does: what a shell starts in the background ignores SIGINT."""
AGENTOS = Path(sys.executable).with_name("agentos")


@pytest.fixture
def data() -> Iterator[Path]:
    """Not one of pytest's folders: where root runs this, Postgres is `nobody`, who may not go there."""
    folder = Path(tempfile.mkdtemp(prefix="agentos-postgres-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)],
    ids=["SIGINT", "SIGTERM"],
)
def test_the_address_that_it_prints_answers_until_it_is_stopped(data: Path, sent: int, status: int):
    program = [str(AGENTOS), "postgres", "--port", str(free_port()), "--data-dir", str(data)]
    command = [sys.executable, "-c", INTERRUPTIBLE, *program]
    with running(command, cwd=data, env=environment(), until=["DATABASE_URL"]) as process:
        (url,) = re.findall(r"^export DATABASE_URL=(\S+)$", process.output, re.MULTILINE)
        address = url.replace("+psycopg", "")
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("ai",)
        process.popen.send_signal(sent)
        assert process.wait() == status
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address, connect_timeout=5)
