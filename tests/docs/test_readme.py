"""What the README says to type works, and gives what it shows."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.auth_settings import AuthSettings
from agentos.os.middleware import JWTMiddleware
from agentos.os.server.limits import QueueConfig
from agentos.os.server.retention import Retention
from tests.docs.reader import DATABASE, Reader
from tests.docs.readme import README, ROOT, looks_like, section
from tests.flows.processes import environment

BIN = Path(sys.executable).parent
LIMITS = "runs per process, 100 unless set; queued runs, 1000 unless set"
NAMES = {each.__name__: each for each in (Agent, AgentOS, JWTMiddleware, PostgresDb, QueueConfig, Retention)}


def shell(text: str, folder: Path, **env: str) -> str:
    """What the lines print, typed in `folder` with the programs of this environment."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", text],
        cwd=folder,
        env=environment(PATH=path, COLUMNS="88", **env),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_can_be_followed_from_top_to_bottom(tmp_path: Path, database: str):
    page, _, _ = README.partition("## Documentation")
    assert "./scripts/demo\n" in page
    assert 'exec agentos demo "$@"' in (ROOT / "scripts" / "demo").read_text()
    Reader(tmp_path, database).follow(page)


def test_the_address_of_the_examples_is_the_compose_files():
    assert f'export DATABASE_URL="{DATABASE}"' in README
    assert DATABASE.endswith("ai:ai@localhost:5532/ai")
    assert '"127.0.0.1:5532:5432"' in (ROOT / "docker-compose.yml").read_text()


def test_migrations_print_what_is_shown(database: str, tmp_path: Path):
    typed, shown = section("Migrations")
    lines = typed.text.replace("upgrade", "upgrade --schema fresh").replace("status", "status --schema fresh")
    printed = shell(lines, tmp_path, DATABASE_URL=database)
    assert looks_like(shown.text, printed), printed


def test_every_parameter_in_the_table_exists():
    rows = re.findall(r"^\| `(\w+)\((.*)\)` \|", README, re.MULTILINE)
    assert {name for name, _ in rows} == set(NAMES)
    for name, parameters in rows:
        known = set(inspect.signature(NAMES[name]).parameters)
        assert {parameter.strip(" =") for parameter in parameters.split(",")} <= known, name


def test_every_default_of_the_middleware_in_the_table_is_so():
    rows = re.findall(r"^\| `JWTMiddleware\((.*)\)` \| (.*) \|$", README, re.MULTILINE)
    defaults = {each.name: str(each.default) for each in fields(AuthSettings)}
    told = {
        value: {defaults[name.strip(" =")] for name in names.split(",")}
        for names, text in rows
        for value in re.findall(r"`(\w+)`(?: \w+)* unless set", text)
    }
    assert told.keys() == {"RS256", "10"}
    assert [value for value, known in told.items() if value not in known] == []


def test_every_variable_in_the_table_is_read_somewhere():
    table = README.partition("| Variable |")[2].partition("\n\n")[0]
    sources = "\n".join(path.read_text() for path in (ROOT / "agentos").rglob("*.py"))
    ours = {name for name in re.findall(r"`([A-Z_]+)`", table) if not name.startswith("OPENAI")}
    assert ours
    assert {name for name in ours if name not in sources} == set()


def test_every_link_and_script_exists():
    named = [*re.findall(r"\]\(([^)#]+)\)", README), *re.findall(r"\./(scripts/\w+)", README)]
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("phrase", ["64 MiB", "10 unless set", "port 3000", LIMITS])
def test_the_defaults_are_the_real_ones(phrase: str):
    from agentos.os import app

    real = {
        "64 MiB": app.MAX_BODY_BYTES == 64 * 1024**2,
        "10 unless set": inspect.signature(AgentOS).parameters["shutdown_grace"].default == 10,
        LIMITS: (QueueConfig().max_running_per_process == 100 and QueueConfig().max_queued == 1000),
        "port 3000": all(origin.endswith(":3000") for origin in app.DEFAULT_ORIGINS),
    }
    assert phrase in README
    assert real[phrase]
