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

AGENTOS = Path(sys.executable).with_name("agentos")


@pytest.fixture
def data() -> Iterator[Path]:
    """Not one of pytest's folders: where root runs this, Postgres is `nobody`, who may not go there."""
    folder = Path(tempfile.mkdtemp(prefix="agentos-postgres-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_address_that_it_prints_answers_until_it_is_stopped(data: Path):
    command = [str(AGENTOS), "postgres", "--port", str(free_port()), "--data-dir", str(data)]
    with running(command, cwd=data, env=environment(), until=["DATABASE_URL"]) as process:
        (url,) = re.findall(r"^export DATABASE_URL=(\S+)$", process.output, re.MULTILINE)
        address = url.replace("+psycopg", "")
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("ai",)
        process.popen.send_signal(signal.SIGINT)
        assert process.wait() == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address, connect_timeout=5)
