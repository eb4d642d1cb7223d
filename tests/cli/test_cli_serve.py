"""`agentos serve` runs what a module names, and says what is wrong with the name."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.flows.processes import environment, free_port, running, wait_until_listening

AGENTOS = Path(sys.executable).with_name("agentos")
MODULE = """
from agentos.agent import Agent
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS

def made(id):
    return AgentOS(id=id, agents=[Agent(name="one", model=OfflineModel())])

agent_os = made("first")
"""
LOGS = """{
  "version": 1,
  "disable_existing_loggers": false,
  "formatters": {"ours": {"format": "ours: %(message)s"}},
  "handlers": {"ours": {"class": "logging.StreamHandler", "formatter": "ours"}},
  "root": {"level": "INFO", "handlers": ["ours"]}
}"""
WITH_APP = f"{MODULE}\napp = made('second').get_app()\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bare.py").write_text(MODULE)
    (tmp_path / "guarded.py").write_text(WITH_APP)
    (tmp_path / "number.py").write_text("app = 1\n")
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    return tmp_path


def refused(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [AGENTOS, "serve", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(
    "options", [[], ["--reload"], ["--workers", "2"]], ids=["plain", "reload", "workers"]
)
@pytest.mark.parametrize(("target", "os_id"), [("bare:agent_os", "first"), ("guarded:app", "second")])
def test_an_agentos_and_an_app_are_served(folder: Path, target: str, os_id: str, options: list[str]):
    port = free_port()
    command = [str(AGENTOS), "serve", target, "--port", str(port), *options]
    with running(command, cwd=folder, env=environment()):
        wait_until_listening(port)
        answer = httpx.get(f"http://127.0.0.1:{port}/config", trust_env=False, timeout=30)
    assert (answer.status_code, answer.json()["os_id"]) == (200, os_id)


def test_the_flag_beats_the_environment_and_the_options_of_uvicorn_pass_through(folder: Path):
    port, other = free_port(), free_port()
    (folder / "logs.json").write_text(LOGS)
    options = [
        "--port",
        str(port),
        "--root-path",
        "/api",
        "--header",
        "X-Test: yes",
        "--log-config",
        "logs.json",
    ]
    command = [str(AGENTOS), "serve", "bare:agent_os", *options]
    env = environment(AGENT_OS_PORT=str(other), AGENTOS_PORT=str(other))
    with running(command, cwd=folder, env=env, until=["ours: Application startup complete"]):
        wait_until_listening(port)
        answer = httpx.get(f"http://127.0.0.1:{port}/openapi.json", trust_env=False, timeout=30)
    assert (answer.status_code, answer.headers["x-test"]) == (200, "yes")
    assert answer.json()["servers"] == [{"url": "/api"}]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--no-such-option"], "No such option"),
        (["--backlog", "many"], "'many' is not a valid integer"),
        (["--factory"], "Leave out --factory"),
        (["--app-dir", "/"], "Leave out --app-dir"),
        (["--fd", "3"], "without authentication"),
        (["--env-file", "bare.py"], "Leave out --env-file: the app is imported first"),
        (["--header", "novalue"], "--header='novalue' has no colon"),
        (["--", "--host", "0.0.0.0"], "Leave out --host"),
    ],
)
def test_other_options_are_refused_with_a_sentence(folder: Path, options: list[str], sentence: str):
    told = refused(folder, "bare:agent_os", *options)
    assert sentence in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("bare", "give MODULE:ATTRIBUTE"),
        ("bare:", "give MODULE:ATTRIBUTE"),
        ("absent:app", "There is no module 'absent'"),
        ("absent.sub:app", "There is no module 'absent.sub'"),
        ("bare:app", "The module 'bare' has no 'app'"),
        ("number:app", "neither an AgentOS nor a FastAPI app"),
        ("guarded:agent_os", "serve guarded:app"),
    ],
)
def test_a_name_that_cant_be_served_is_one_sentence(folder: Path, target: str, sentence: str):
    told = refused(folder, target)
    assert sentence in told
    assert told.startswith("agentos: ")
    assert "Traceback" not in told


def test_an_error_inside_the_module_shows_where(folder: Path):
    told = refused(folder, "broken:app")
    assert "Traceback" in told
    assert "nothing_of_this_name" in told


def test_reload_and_workers_together_are_refused(folder: Path):
    assert "--reload starts one process" in refused(folder, "bare:agent_os", "--reload", "--workers", "2")
