"""A server whose configuration can't work ends at once, and says in one sentence what to mend."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.processes import environment, free_port

APP = """
from agentos.agent import Agent
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware

options = {options}
agent_os = AgentOS(agents=[Agent(name="one", model=OfflineModel())])
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


def ended(folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    env = environment(AGENT_OS_PORT=str(free_port()))
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
