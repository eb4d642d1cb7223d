"""The command as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

import agentos as package
from tests.cli.commands import agentos

HEAVY = (
    "alembic",
    "cryptography",
    "fastapi",
    "jwt",
    "openai",
    "pydantic",
    "psycopg",
    "sqlalchemy",
    "uvicorn",
)


def test_asking_for_help_loads_nothing_heavy():
    code = f"""
import sys
from agentos.cli import main
sys.argv = ["agentos", "--help"]
try:
    main()
except SystemExit:
    print("loaded:", *(name for name in {HEAVY} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout
    assert done.stdout.endswith("loaded:\n")


@pytest.mark.parametrize("verbs", [[], ["db"], ["keys"], ["token"]])
def test_without_a_verb_the_verbs_are_listed(verbs: list[str]):
    assert "Commands" in agentos(*verbs).output


def test_the_version_is_the_packages():
    assert agentos("--version").output.strip() == package.__version__


def test_an_error_of_ours_is_one_sentence_and_status_1(tmp_path: Path):
    command = [Path(sys.executable).with_name("agentos"), "token", "inspect", "nonsense"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "agentos: This isn't a JSON web token.\n"
