"""What the README says to type works, and gives what it shows."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
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
from tests.conftest import a_database
from tests.docs.readme import README, ROOT, looks_like, section
from tests.flows.curl import settings
from tests.flows.processes import environment, free_port, running

BIN = Path(sys.executable).parent
LIMITS = "runs per process, 100 unless set; queued runs, 1000 unless set"
NAMES = {each.__name__: each for each in (Agent, AgentOS, JWTMiddleware, PostgresDb, QueueConfig, Retention)}


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="agentos-readme-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


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


def test_the_demo_answers_as_shown(data: Path, tmp_path: Path):
    start, *typed = section("Try it")
    assert start.text.split() == ["./scripts/demo"]
    assert 'exec agentos demo "$@"' in (ROOT / start.text.strip()).read_text()
    port = free_port()
    (tmp_path / ".curlrc").write_text(settings(port))
    command = [str(BIN / "agentos"), "demo", "--port", str(port), "--data-dir", str(data)]
    with running(command, cwd=data, env=environment(), until=["/memories"]) as process:
        exports = dict(re.findall(r'^export (\w+)="(\S+)"$', process.output, re.MULTILINE))
        real = [shell(block.text, tmp_path, CURL_HOME=str(tmp_path), **exports) for block in typed[::2]]
    for shown, printed in zip(typed[1::2], real, strict=True):
        assert looks_like(shown.text, printed), printed


def test_the_python_prints_what_is_shown(tmp_path: Path):
    blocks = section("An agent in Python")
    assert [block.language for block in blocks] == ["python", "bash", "text"] * 2
    for program, typed, shown in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True):
        (tmp_path / program.title).write_text(program.text)
        printed = shell(typed.text, tmp_path)
        assert looks_like(shown.text, printed), printed


def test_the_server_answers_as_shown(server_url: str, template: str, tmp_path: Path):
    (agent, *_), (server, start, typed, shown) = (
        section("An agent in Python"),
        section("Serve it with your own scopes"),
    )
    for program in agent, server:
        (tmp_path / program.title).write_text(program.text)
    *prepare, serve = start.text.strip().splitlines()
    assert serve == "agentos serve server:app"
    port = free_port()
    (tmp_path / ".curlrc").write_text(settings(port, end="\\n"))
    with a_database(server_url, template) as database:
        keys = shell("\n".join([*prepare[1:], "env"]), tmp_path)
        env = dict(re.findall(r"^(JWT_\w+)=(.*)$", keys, re.MULTILINE)) | {"DATABASE_URL": database}
        command = [str(BIN / "agentos"), *serve.split()[1:], "--port", str(port)]
        with running(command, cwd=tmp_path, env=environment(**env)):
            printed = shell(typed.text, tmp_path, CURL_HOME=str(tmp_path), **env)
    assert looks_like(shown.text, printed), printed


def test_a_run_survives_as_shown(server_url: str, template: str, tmp_path: Path):
    server, start, typed, shown = section("Durable runs")
    (tmp_path / server.title).write_text(server.text)
    port = free_port()
    (tmp_path / ".curlrc").write_text(settings(port, end="\\n"))
    with a_database(server_url, template) as database:
        command = [str(BIN / "agentos"), *start.text.split()[1:], "--port", str(port)]
        with running(command, cwd=tmp_path, env=environment(DATABASE_URL=database)):
            printed = shell(typed.text, tmp_path, CURL_HOME=str(tmp_path))
    assert looks_like(shown.text, printed), printed


def test_a_map_answers_before_it_is_served(tmp_path: Path):
    (agent, *_), (server, *_), (cases, typed, shown) = (
        section("An agent in Python"),
        section("Serve it with your own scopes"),
        section("Test a scope map before you deploy it"),
    )
    for file in agent, server, cases:
        (tmp_path / file.title).write_text(file.text)
    printed = shell(typed.text, tmp_path, DATABASE_URL="postgresql+psycopg://nobody@localhost/nowhere")
    assert looks_like(shown.text, printed), printed


def test_the_address_of_the_examples_is_the_compose_files():
    _, start, *_ = section("Serve it with your own scopes")
    assert "ai:ai@localhost:5532/ai" in start.text
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
