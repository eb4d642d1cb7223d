"""Every program of the cookbook does what its first lines promise."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.cookbook.examples import FOLDER, Example, example
from tests.flows.processes import environment, fake_openai, free_port, running
from tests.flows.seeds import curls

ROOT = FOLDER.parents[1]
SYMMETRIC, ASYMMETRIC = "rbac/symmetric", "rbac/asymmetric"
TESTED = {
    "approvals.py",
    "basic.py",
    "custom_fastapi_app.py",
    "python_client_httpx.py",
    "server.py",
    f"{SYMMETRIC}/default_scopes.py",
    f"{SYMMETRIC}/per_agent_scopes.py",
    f"{SYMMETRIC}/custom_scope_mappings.py",
    f"{ASYMMETRIC}/custom_scope_mappings.py",
}


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with fake_openai() as url:
        yield url


def client(shown: Example, token: str = "") -> str:
    """What the client prints of a run."""
    env = environment(AGENTOS_URL=f"http://127.0.0.1:{shown.port}", AGENTOS_TOKEN=token)
    command = [sys.executable, FOLDER / "python_client_httpx.py", "hello"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stdout


def test_no_program_is_untested_or_missing_in_the_list():
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py")}
    listed = set(re.findall(r"\(05_agent_os/(\S+\.py)\)", (ROOT / "cookbook" / "README.md").read_text()))
    assert found == TESTED == listed


def test_basic_and_the_client(database: str, model: str):
    commands = curls((FOLDER / "basic.py").read_text().replace("    curl", "curl"))
    with example("basic.py", database, model) as shown:
        streamed, whole, sessions = (shown.paste(command) for command in commands)
        printed = client(shown)
    assert streamed.events[-1]["event"] == "RunCompleted"
    assert whole.json["status"] == "COMPLETED"
    ids = {session["session_id"] for session in sessions.json["data"]}
    assert ids == {streamed.events[0]["session_id"], whole.json["session_id"]}
    answer, stored = printed.strip().splitlines()
    assert answer == whole.json["content"]
    assert re.fullmatch(r"stored: \S+ COMPLETED", stored)


def test_approvals(database: str, model: str):
    with example("approvals.py", database, model) as shown:
        run, *others = shown.commands
        paused = shown.paste(run).json
        ids = {"$RUN": paused["run_id"], "$APPROVAL": paused["tools"][0]["approval_id"]}
        typed = [re.sub(r"\$(RUN|APPROVAL)\b", lambda found: ids[found[0]], command) for command in others]
        listed, own, too_early, approved, done = (shown.paste(command) for command in typed)
    assert paused["status"] == "PAUSED"
    assert [each["id"] for each in listed.json["data"]] == [ids["$APPROVAL"]]
    assert (own.status, too_early.status, approved.status) == (403, 403, 200)
    assert done.json["status"] == "COMPLETED"
    assert "5 sent to A7" in done.json["content"]


def test_custom_fastapi_app(database: str, model: str):
    with example("custom_fastapi_app.py", database, model) as shown:
        mine, everyone, run = (shown.paste(command) for command in shown.commands)
        anonymous = shown.paste("curl http://localhost:7777/customers/me")
    assert (mine.status, mine.json) == (200, {"customer": "alice", "level": "gold"})
    assert (everyone.status, everyone.json["code"]) == (403, "no_rule")
    assert "GET /customers" in everyone.json["detail"]
    assert run.events[-1]["event"] == "RunCompleted"
    assert anonymous.status == 401


def test_default_scopes_and_the_client_with_a_token(database: str, model: str):
    with example(f"{SYMMETRIC}/default_scopes.py", database, model) as shown:
        listed, refused, run, own, everyones = (shown.paste(command) for command in shown.commands)
        as_user, as_reader = (client(shown, shown.exports[name]) for name in ("USER_TOKEN", "READER_TOKEN"))
        others = shown.paste(shown.commands[3].replace("USER", "ADMIN") + "?user_id=rita")
    assert [answer.status for answer in (listed, refused, run, own, everyones)] == [200, 403, 200, 200, 200]
    assert refused.json["missing"] == ["agents:run"]
    session_id = run.events[0]["session_id"]
    for answer in own, everyones:
        assert [session["session_id"] for session in answer.json["data"]] == [session_id]
    assert others.json["data"] == []
    assert "COMPLETED" in as_user
    assert "COMPLETED" not in as_reader


def test_per_agent_scopes(database: str, model: str):
    with example(f"{SYMMETRIC}/per_agent_scopes.py", database, model) as shown:
        web, run, refused, both, other = (shown.paste(command) for command in shown.commands)
    assert [agent["id"] for agent in web.json] == ["web"]
    assert [agent["id"] for agent in both.json] == ["web", "finance"]
    assert (run.status, refused.status, other.status) == (200, 403, 200)


def test_custom_scope_mappings_with_a_secret(database: str, model: str):
    with example(f"{SYMMETRIC}/custom_scope_mappings.py", database, model) as shown:
        assert shown.statuses() == [200, 403, 200, 403, 200, 200]
        own, everyones = (shown.paste(command).json["data"] for command in shown.commands[-2:])
    assert own == []
    assert [session["user_id"] for session in everyones] == ["user_456"]


def test_custom_scope_mappings_with_a_key_pair(database: str, model: str):
    with example(f"{ASYMMETRIC}/custom_scope_mappings.py", database, model) as shown:
        assert shown.statuses() == [200, 403, 200, 200, 401]


@pytest.mark.parametrize("folder", [SYMMETRIC, ASYMMETRIC])
def test_each_start_signs_with_keys_of_its_own(folder: str):
    code = "import custom_scope_mappings; print(custom_scope_mappings.token('alice'))"
    command = [sys.executable, "-c", code]
    starts = [subprocess.Popen(command, cwd=FOLDER / folder, env=environment(), stdout=PIPE) for _ in "12"]
    first, second = (start.communicate(timeout=60)[0] for start in starts)
    assert first.count(b".") == second.count(b".") == 2
    assert first.rpartition(b".")[2] != second.rpartition(b".")[2]


def test_the_servers_image_serves_with_its_settings(database: str, tmp_path: Path):
    secret, port = "a secret of this deployment, long enough for HS256", free_port()
    agentos = Path(sys.executable).with_name("agentos")
    env = environment(DATABASE_URL=database, JWT_VERIFICATION_KEY=secret, AGENTOS_MODEL="offline")
    mint = [agentos, "token", "mint", "--sub", "alice", "--scopes", "agents:run", "--aud", "agentos"]
    minted = subprocess.run(
        mint, env=environment(JWT_SIGNING_KEY=secret), capture_output=True, text=True, check=True
    )
    serve = [str(agentos), "serve", "server:app", "--host", "127.0.0.1", "--port", str(port)]
    with running(serve, cwd=FOLDER, env=env) as process:
        shown = Example(port, process.output, [])
        run = "-F message=hi -F stream=false http://localhost:7777/agents/assistant/runs"
        allowed = shown.paste(f'curl -H "Authorization: Bearer {minted.stdout.strip()}" {run}')
        refused = shown.paste(f"curl {run}")
    assert (allowed.status, allowed.json["status"], refused.status) == (200, "COMPLETED", 401)
