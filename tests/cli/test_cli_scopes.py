"""`agentos scopes` looks at an app as `agentos serve` would serve it, without its keys."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.commands import agentos

APP = """
from fastapi import FastAPI
from agentos.agent import Agent
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware

agent_os = AgentOS(agents=[Agent(id="web", model=OfflineModel())])
app = agent_os.get_app()
app.add_middleware(JWTMiddleware, scope_mappings={scope_map!r}, admin_scope="my:admin")
bare = AgentOS(agents=[Agent(id="web", model=OfflineModel())]).get_app()
"""
COOKBOOK = Path(__file__).parents[2] / "cookbook/05_agent_os"
MAP = {"GET /agents": ["app:read"], "POST /agents/*/runs": ["app:run", "app:execute"]}


@pytest.fixture
def target(tmp_path, monkeypatch):
    """Makes a module with an app, and names it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def make(scope_map=MAP, attribute="app") -> str:
        name = f"served_{uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(APP.format(scope_map=scope_map))
        return f"{name}:{attribute}"

    return make


@pytest.mark.parametrize(
    ("scopes", "lines"),
    [
        ("app:run", ["allowed: no", "code: missing_scope", "missing: app:execute", "rows: -"]),
        ("app:run app:execute", ["allowed: yes", "code: granted", "missing: -", "rows: own"]),
        ("my:admin", ["allowed: yes", "code: admin", "rows: everyone"]),
    ],
)
def test_explain_says_what_a_caller_is_answered(target, scopes, lines):
    called = agentos("scopes", "explain", target(), "post", "/agents/web/runs", "--scopes", scopes)
    assert called.status == 0
    assert set(lines) <= set(called.output.splitlines())


def test_the_matrix_comes_as_a_table_csv_or_json(target):
    name = target()
    table, comma, objects = (
        agentos("scopes", "matrix", name, "--format", format_).output for format_ in ("table", "csv", "json")
    )
    wanted = {
        "method": "POST",
        "path": "/agents/{agent_id}/runs",
        "kind": "http",
        "needs": "scopes",
        "scopes": ["app:run", "app:execute"],
        "layer": "operator",
        "rule": "POST /agents/*/runs",
    }
    assert wanted in json.loads(objects)
    assert {**wanted, "scopes": "app:run app:execute"} in list(csv.DictReader(comma.splitlines()))
    heading, *lines = (line.split() for line in table.splitlines())
    assert heading == list(wanted)
    assert ["GET", "/health", "http", "nothing", "-", "public", "GET", "/health"] in lines
    assert agentos("scopes", "matrix", name).output == table


def test_lint_fails_with_what_it_finds(target):
    called = agentos("scopes", "lint", target({**MAP, "GET /agent": ["app:raed"]}))
    assert called.status == 1
    assert [line.split(":")[0] for line in called.output.splitlines()] == ["no_such_route", "misspelling"]
    assert agentos("scopes", "lint", target()).status == 0


CASES = """
cases:
  - {name: readers list agents, scopes: [app:read], request: GET /agents, expected: allow}
  - scopes: app:run
    request: post /agents/web/runs
    expected: deny
    reason: missing_scope
    missing: [app:execute]
  - {scopes: [], request: GET /sessions/s1, expected: deny}
"""


def test_check_passes_and_tells_what_isnt_covered(target, tmp_path: Path):
    (tmp_path / "cases.yaml").write_text(CASES)
    called = agentos("scopes", "check", target(), "cases.yaml")
    assert called.status == 0
    *uncovered, last = called.output.splitlines()
    assert f"3 cases, 0 failed; 3 of {len(uncovered) + 3} routes covered" in last
    assert "not covered: GET /config" in uncovered
    assert not {f"not covered: GET /{path}" for path in ("agents", "sessions/{session_id}", "health")} & {
        *uncovered
    }


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("{scopes: [], request: GET /agents, expected: allow}", "expected allow, got deny (missing_scope by"),
        ("{scopes: app:read, request: GET /agents, expected: deny}", "expected deny, got allow (granted by"),
        (
            "{scopes: [], request: GET /agents, expected: deny, reason: other}",
            "expected the reason other, got missing_scope",
        ),
        ("{scopes: [], request: GET /agents, expected: deny, missing: [a:b]}", "expected missing ['a:b']"),
        ("{scopes: [], request: GET /agnets, expected: deny}", "no route serves GET /agnets"),
        ("{scopes: [], request: PUT /agents, expected: deny}", "no route serves PUT /agents"),
    ],
)
def test_check_fails_with_each_case_that_does(target, tmp_path: Path, case, message):
    (tmp_path / "cases.yaml").write_text(f"{CASES}  - {case}\n")
    called = agentos("scopes", "check", target(), "cases.yaml")
    assert called.status == 1
    failed = [line for line in called.output.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert message in failed[0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("cases: []", "cases"),
        ("cases: {", "isn't YAML"),
        ("- a", "the document"),
        ("cases: [{scopes: [], request: GET /agents}]", "cases.0.expected"),
        ("cases: [{scopes: [], request: /agents, expected: deny}]", "cases.0.request"),
        ("cases: [{scopes: [], request: GET /a, expected: maybe}]", "cases.0.expected"),
        ("cases: [{scope: [], scopes: [], request: GET /a, expected: deny}]", "cases.0.scope"),
    ],
)
def test_a_file_that_cant_be_read_is_refused_with_the_place(target, tmp_path: Path, text, named):
    (tmp_path / "cases.yaml").write_text(text)
    assert named in agentos("scopes", "check", target(), "cases.yaml").refusal


def test_a_file_that_isnt_there_is_named(target):
    assert "'none.yaml' can't be read" in agentos("scopes", "check", target(), "none.yaml").refusal


@pytest.mark.parametrize("attribute", ["bare", "agent_os", "nothing"])
def test_what_nothing_judges_or_serves_is_refused(target, attribute):
    called = agentos("scopes", "lint", target(attribute=attribute))
    assert (called.status, bool(called.refusal)) == (1, True)


@pytest.mark.parametrize(
    ("folder", "target", "codes"),
    [
        ("rbac/symmetric", "custom_scope_mappings:app", []),
        ("rbac/asymmetric", "custom_scope_mappings:app", []),
        ("rbac/symmetric", "per_agent_scopes:app", []),
        (".", "custom_fastapi_app:app", ["unmapped_route"]),  # which that example is about
    ],
)
def test_the_examples_are_as_clean_as_they_say(folder, target, codes):
    command = [sys.executable, "-c", "from agentos.cli import main; main()", "scopes", "lint", target]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    ran = subprocess.run(command, cwd=COOKBOOK / folder, env=environment, capture_output=True, text=True)
    assert ran.stderr == ""
    assert [line.split(":")[0] for line in ran.stdout.splitlines() if "_" in line] == codes
