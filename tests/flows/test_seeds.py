"""Both custom-scope examples, as their authors wrote them, do what they and the design promise."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from agentos.utils.cryptography import generate_rsa_keys
from tests.flows import seeds
from tests.flows.curl import Answer, paste
from tests.flows.postgres_5532 import postgres_5532
from tests.flows.processes import fake_openai, free_port, script

RUNS = "http://localhost:7777/agents/research-agent/runs"
MEMORY = '-H "Content-Type: application/json" -d \'{"memory": "Likes tea"}\''
HIDDEN = ["/sessions", "/sessions/x", "/memories", "/config"]
PROTECTED = ["/agents", "/agents/research-agent", *HIDDEN]
BODIES = {
    "form": "-d message=test",
    "multipart": "-F message=test",
    "JSON": '-H "Content-Type: application/json" -d \'{"message": "test"}\'',
}


@dataclass(frozen=True)
class Example:
    """One seed, served."""

    port: int
    output: str
    tokens: dict[str, str]

    def get(self, who: str, path: str) -> Answer:
        return self.call(who, f"http://localhost:7777{path}")

    def call(self, who: str, arguments: str) -> Answer:
        return self.paste(f'curl -H "Authorization: Bearer {self.tokens[who]}" {arguments}')

    def paste(self, command: str) -> Answer:
        names = {f"{who.upper()}_TOKEN": token for who, token in self.tokens.items()}
        return paste(command, port=self.port, env=names)


@contextmanager
def serve(program: str, folder: Path, **env: str) -> Iterator[tuple[int, str]]:
    """The port of the running program, and what it has printed."""
    path = folder / "custom_scope_mappings.py"
    path.write_text(program)
    port = free_port()
    with (
        postgres_5532(),
        fake_openai() as model,
        script(path, port=port, OPENAI_BASE_URL=model, OPENAI_API_KEY="fake", **env) as server,
    ):
        yield port, server.output


@pytest.fixture(scope="module")
def hs256(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    labels = {"basic": "Basic User", "power": "Power User", "admin": "Admin", "superadmin": "Super Admin"}
    with serve(seeds.hs256_program(), tmp_path_factory.mktemp("hs256")) as (port, output):
        yield Example(port, output, seeds.tokens(labels, output))


@pytest.fixture(scope="module")
def rs256(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    private, public = generate_rsa_keys()
    labels = {"basic": "Basic User Token", "power": "Power User Token", "admin": "Admin Token"}
    # Nobody in the text holds the scope that the program configures; here somebody does.
    superadmin = jwt.encode({"sub": "superadmin", "scopes": ["foo:bar"]}, private, algorithm="RS256")
    keys = {"JWT_SIGNING_KEY": private, "JWT_VERIFICATION_KEY": public}
    with serve(seeds.rs256_program(), tmp_path_factory.mktemp("rs256"), **keys) as (port, output):
        yield Example(port, output, seeds.tokens(labels, output) | {"superadmin": superadmin})


@pytest.fixture(params=["hs256", "rs256"])
def example(request: pytest.FixtureRequest) -> Example:
    return request.getfixturevalue(request.param)


def is_stored_and_completed(example: Example, answer: Answer) -> bool:
    """Whether the streamed run is in the database, seen by the one who sees everything."""
    started, *_, last = answer.events
    assert (started["event"], last["event"]) == ("RunStarted", "RunCompleted")
    listed = example.get("superadmin", "/sessions?limit=100").json["data"]
    runs = example.get("superadmin", f"/sessions/{started['session_id']}/runs").json
    return started["session_id"] in [session["session_id"] for session in listed] and [
        (run["run_id"], run["status"]) for run in runs
    ] == [(started["run_id"], "COMPLETED")]


def altered(token: str) -> str:
    """The same claims under a signature whose first character is another."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


@pytest.mark.parametrize("path", PROTECTED)
def test_without_a_token_nothing_protected_answers(example: Example, path: str):
    assert example.paste(f"curl http://localhost:7777{path}").status == 401


@pytest.mark.parametrize("path", PROTECTED)
def test_an_altered_token_is_no_token(example: Example, path: str):
    header = f'-H "Authorization: Bearer {altered(example.tokens["superadmin"])}"'
    assert example.paste(f"curl {header} http://localhost:7777{path}").status == 401


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_nobody_unknown_runs_an_agent(example: Example, body: str):
    header = f'-H "Authorization: Bearer {altered(example.tokens["power"])}"'
    assert example.paste(f"curl {body} {RUNS}").status == 401
    assert example.paste(f"curl {header} {body} {RUNS}").status == 401


def test_basic_reads_agents(example: Example):
    listed, one = example.get("basic", "/agents"), example.get("basic", "/agents/research-agent")
    assert (listed.status, one.status) == (200, 200)
    assert [agent["id"] for agent in listed.json] == ["research-agent"]
    assert one.json["name"] == "Research Agent"


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_basic_runs_nothing_and_is_told_what_is_missing(example: Example, body: str):
    answer = example.call("basic", f"{body} {RUNS}")
    assert answer.status == 403
    assert sorted(answer.json["missing"]) == ["app:execute", "app:run"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_power_runs_and_the_run_is_stored(example: Example, body: str):
    answer = example.call("power", f"{body} {RUNS}")
    assert answer.status == 200
    assert is_stored_and_completed(example, answer)


@pytest.mark.parametrize("who", ["basic", "power"])
@pytest.mark.parametrize("arguments", [*HIDDEN, f"/memories {MEMORY}"])
def test_users_see_no_sessions_memories_or_configuration(example: Example, who: str, arguments: str):
    assert example.call(who, f"http://localhost:7777{arguments}").status == 403


@pytest.mark.parametrize("path", ["/sessions", "/config", "/agents"])
def test_the_hs256_admin_sees_sessions_configuration_and_agents(hs256: Example, path: str):
    assert hs256.get("admin", path).status == 200


def test_the_hs256_admin_runs_an_agent(hs256: Example):
    answer = hs256.call("admin", f"-F message=test {RUNS}")
    assert answer.status == 200
    assert is_stored_and_completed(hs256, answer)


def test_the_hs256_admin_lacks_memory_admin(hs256: Example):
    answer = hs256.get("admin", "/memories")
    assert (answer.status, answer.json["missing"]) == (403, ["memory:admin"])


@pytest.mark.parametrize("path", ["/info", "/agents", "/sessions", "/memories", "/config"])
def test_the_superadmin_reads_everything(example: Example, path: str):
    assert example.get("superadmin", path).status == 200


def test_the_superadmin_sees_and_changes_everyones_rows(example: Example):
    run = example.call("power", f"-F message=test {RUNS}").events[0]
    session = f"/sessions/{run['session_id']}"
    assert example.get("superadmin", session).json["user_id"] == "user_456"
    assert example.call("superadmin", f"-X DELETE http://localhost:7777{session}").status == 204
    assert example.get("superadmin", session).status == 404


def test_the_superadmin_writes_a_memory(example: Example):
    written = example.call("superadmin", f"{MEMORY} http://localhost:7777/memories")
    assert written.status in {200, 201}
    listed = example.get("superadmin", "/memories?limit=100").json["data"]
    assert written.json["memory_id"] in [memory["memory_id"] for memory in listed]


@pytest.mark.parametrize("path", PROTECTED)
def test_the_rs256_admin_holds_a_scope_that_this_server_doesnt_configure(rs256: Example, path: str):
    assert rs256.get("admin", path).status == 403


def test_the_rs256_admin_runs_nothing(rs256: Example):
    assert rs256.call("admin", f"{BODIES['JSON']} {RUNS}").status == 403


def test_the_hs256_commands_do_what_their_comments_say(hs256: Example):
    read, refused, run, sessions = (hs256.paste(command) for command in seeds.hs256_commands())
    assert (read.status, refused.status, run.status, sessions.status) == (200, 403, 200, 200)
    assert is_stored_and_completed(hs256, run)


def test_the_rs256_commands_do_what_their_comments_say(rs256: Example):
    read, refused, run = (rs256.paste(command) for command in seeds.curls(rs256.output))
    assert (read.status, refused.status, run.status) == (200, 403, 200)
    assert is_stored_and_completed(rs256, run)
