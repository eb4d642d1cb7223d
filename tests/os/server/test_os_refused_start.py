"""A server whose configuration can't work ends at once, and says in one sentence what to mend."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conftest import administering
from tests.flows.processes import environment, free_port

APP = """
import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware

options = {options}
url = os.environ.get("DATABASE_URL")
db = PostgresDb(url) if url else None
agent_os = AgentOS(agents=[Agent(name="one", model=OfflineModel())], db=db)
app = agent_os.get_app()
app.add_middleware(JWTMiddleware, **{{"verification_keys": ["s" * 64], "algorithm": "HS256", **options}})

if __name__ == "__main__":
    agent_os.serve(app)
"""
WRONG = {
    "the middleware": ({"algorithm": "HS1"}, "algorithm='HS1' can't be used: choose among"),
    "a misspelling": ({"admin_scopes": "a:b"}, "admin_scopes isn't a parameter. Did you mean 'admin_scope'?"),
    "the lint": (
        {"strict": True, "scope_mappings": {"GET /nowhere": ["a:b"]}},
        "strict=True refuses this scope map. 'GET /nowhere' matches no route",
    ),
}
COMMANDS = {
    "python": [sys.executable, "app.py"],
    "agentos": [str(Path(sys.executable).with_name("agentos")), "serve", "app:app"],
    "workers": [str(Path(sys.executable).with_name("agentos")), "serve", "app:app", "--workers", "2"],
}


def ended(folder: Path, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    env = environment(AGENT_OS_PORT=str(free_port()), **more)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


# Uvicorn's parent of several workers notices their end only when it has waited for their answer.
CASES = [(command, wrong) for command in ("python", "agentos") for wrong in WRONG] + [("workers", "the lint")]


@pytest.mark.parametrize(("command", "wrong"), CASES)
def test_a_server_that_cant_start_says_why_and_ends(tmp_path, command, wrong):
    options, sentence = WRONG[wrong]
    (tmp_path / "app.py").write_text(APP.format(options=options))
    done = ended(tmp_path, COMMANDS[command])
    # That parent ends well whatever befell them.
    assert done.returncode != 0 or command == "workers"
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert [line for line in told.splitlines() if sentence in line]


def test_other_failures_keep_their_traceback(tmp_path):
    (tmp_path / "app.py").write_text(APP.format(options="no_such"))
    done = ended(tmp_path, COMMANDS["python"])
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "no_such" in done.stderr


@pytest.mark.parametrize("command", ["python", "agentos", "worker"])
def test_a_database_that_isnt_there_ends_the_start(tmp_path, server_url, command):
    (tmp_path / "app.py").write_text(APP.format(options={}))
    wrong = make_url(server_url).set(database="absent_at_start").render_as_string(hide_password=False)
    commands = COMMANDS | {"worker": [COMMANDS["agentos"][0], "worker", "app:app"]}
    done = ended(tmp_path, commands[command], DATABASE_URL=wrong)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert "'absent_at_start', user 'ai') has no such database: create it" in told
    with administering(server_url) as admin:
        found = admin.execute("SELECT 1 FROM pg_database WHERE datname = 'absent_at_start'")
        assert found.fetchone() is None
