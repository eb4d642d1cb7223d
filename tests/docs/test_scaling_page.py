"""What docs/scaling.md says is so: its commands exist, and its numbers are the code's."""

import re
import shlex
from datetime import timedelta
from inspect import signature

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.server import serve
from agentos.os.server.limits import QueueConfig
from agentos.runner.durable import host
from agentos.runner.events import reader, writer
from agentos.runner.worker import heartbeat, loops
from benchmarks.capacity import parser as capacity
from benchmarks.measures import MEASURES
from tests.cli.commands import agentos
from tests.docs.readme import ROOT, section

TEXT = (ROOT / "docs" / "scaling.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("command", [each for each in COMMANDS if each[0] == "agentos"], ids=" ".join)
def test_the_commands_have_these_options(command):
    _, name, target, *options = command
    shown = agentos(name, "--help").output
    assert target == "main:agent_os"
    assert [each for each in options if each.startswith("--") and each not in shown] == []


def test_the_benchmarks_are_there():
    measured, counted = [each for each in COMMANDS if each[0] == "python"]
    assert measured[:3] == ["python", "-m", "benchmarks"]
    assert set(measured[3:]) <= set(MEASURES)
    assert counted[:3] == ["python", "-m", "benchmarks.capacity"]
    assert capacity().parse_args(counted[3:]).streams == [50, 100]


def test_the_limits_are_as_shown():
    (block,) = section("Limits", TEXT)
    names: dict[str, object] = {}
    exec(block.text, names)
    assert names["queue"] == QueueConfig(
        max_running=200,
        max_running_per_agent=50,
        max_running_per_user=5,
        max_running_per_process=100,
        max_queued=1000,
        max_queued_per_user=20,
    )


def default(made: type, name: str) -> object:
    return signature(made).parameters[name].default


def test_the_numbers_are_the_codes():
    page = " ".join(TEXT.split())
    says = {
        f"every {heartbeat.BEAT_SECONDS:.0f} seconds that it is alive",
        f"After {heartbeat.DEAD_SECONDS:.0f} seconds without a report",
        f"doesn't respond for {serve.WORKER_SECONDS} seconds",
        f"to end: {default(AgentOS, 'shutdown_grace'):.0f} seconds",
        f"`PostgresDb(pool_size=…)`, {default(PostgresDb, 'pool_size')} unless set",
        f"`pool_timeout` ({default(PostgresDb, 'pool_timeout')} seconds)",
        f"up to {host.CONNECTIONS} |",
        f"in batches of {timedelta(seconds=writer.BATCH_SECONDS).microseconds // 1000} ms",
        f"with up to {reader.LOOK_SECONDS:.0f} seconds of delay",
        f"the queue is polled every {loops.CLAIM_SECONDS:.0f}.",
    }
    assert [each for each in says if each not in page] == []


def test_the_sum_is_right():
    processes, *parts, total = map(
        int, re.search(r"(\d) . \((\d+) \+ (\d) \+ (\d) \+ (\d)\) = (\d+)", TEXT).groups()
    )
    assert processes * sum(parts) == total
    assert parts[:3] == [default(PostgresDb, "pool_size"), 1, host.CONNECTIONS]


def test_the_readme_leads_here():
    assert "](docs/scaling.md)" in (ROOT / "README.md").read_text()
