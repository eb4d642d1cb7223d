"""The scripts on machines that lack things: from any folder, in a checkout whose path has a space."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOG = '#!/bin/sh\nprintf "%s" "${0##*/}" >> "$LOG"; printf " %s" "$@" >> "$LOG"; echo >> "$LOG"\n'
PYTHON_WITHOUT_VENV = '#!/bin/sh\necho "No module named ensurepip" >&2; exit 1\n'
PYTHON = (
    LOG
    + """case "$1 $2" in
"-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
"-m pip") cp uv .venvs/uv/bin/ ;;
esac
"""
)


class Machine:
    """A checkout and a PATH with nothing on it but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "a checkout"
        self.programs = folder / "bin"
        self.log = folder / "log"
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        self.log.touch()
        for name in ("bash", "dirname", "mkdir", "cp"):
            self.put(self.programs / name).symlink_to(str(shutil.which(name)))

    @staticmethod
    def put(file: Path, text: str | None = None) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            file.write_text(text)
            file.chmod(0o755)
        return file

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a script from another folder."""
        return subprocess.run(
            [self.checkout / "scripts" / script, *arguments],
            cwd=self.programs,
            env={"PATH": str(self.programs), "LOG": str(self.log), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_uv_that_is_there_is_used_and_arguments_go_on(machine: Machine):
    machine.put(machine.programs / "uv", LOG)
    machine.put(machine.checkout / ".venv/bin/python", LOG)
    machine.put(machine.checkout / ".venv/bin/pytest", LOG)
    done = machine.run("test", "-k", "a b", CDPATH="/", VIRTUAL_ENV="/elsewhere")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert machine.log.read_text().splitlines() == [
        "uv python find --no-python-downloads >=3.11",
        "uv sync --frozen",
        "python -m compileall -q agentos",
        "pytest -n logical --dist loadfile --no-loadscope-reorder -k a b",
    ]
    assert not (machine.checkout / ".venvs").exists()


def test_fast_leaves_out_the_tests_that_start_programs(machine: Machine):
    machine.put(machine.programs / "uv", LOG)
    machine.put(machine.checkout / ".venv/bin/python", LOG)
    machine.put(machine.checkout / ".venv/bin/pytest", LOG)
    assert machine.run("test", "--fast", "-k", "a b").returncode == 0
    *_, called = machine.log.read_text().splitlines()
    assert called.startswith("pytest -n logical --dist loadfile --no-loadscope-reorder --ignore=")
    assert called.endswith(" -k a b")
    left_out = [ROOT / path for path in re.findall(r"--ignore=(\S+)", called)]
    assert all(path.exists() for path in left_out)
    starting = re.compile(r"^from tests.flows.processes import .*\b(running|script)\b|SIGKILL", re.MULTILINE)
    for test in (ROOT / "tests").rglob("test_*.py"):
        if test != Path(__file__) and starting.search(test.read_text()):
            assert any(test.is_relative_to(path) for path in left_out), test


def test_uv_that_is_missing_is_installed_once(machine: Machine):
    machine.put(machine.programs / "python3", PYTHON)
    machine.put(machine.checkout / "uv", LOG)
    machine.put(machine.checkout / ".venv/bin/python", LOG)
    machine.put(machine.checkout / ".venv/bin/agentos", LOG)
    for _ in range(2):
        assert machine.run("demo", "--port", "1").returncode == 0
    logged = machine.log.read_text()
    assert logged.count("-m pip install") == 1
    assert logged.count("uv sync --frozen --no-dev --extra demo --inexact\n") == 2
    assert logged.count("agentos demo --port 1\n") == 2


def test_the_demo_environment_stands_beside_the_developers(machine: Machine):
    machine.put(machine.programs / "uv", LOG + 'echo "$UV_PROJECT_ENVIRONMENT" >> "$LOG"\n')
    done = machine.run("demo_setup.sh", UV_PROJECT_ENVIRONMENT="/elsewhere")
    assert machine.log.read_text().endswith("uv sync --frozen --no-dev --extra ddgs\n.venvs/demo\n")
    assert "/a\\ checkout/.venvs/demo/bin/activate" in done.stdout


@pytest.mark.parametrize(
    ("python", "advice"),
    [(None, "install Python 3.11 or newer"), (PYTHON_WITHOUT_VENV, "python3-venv")],
)
def test_a_machine_without_uv_and_python_says_what_to_install(
    machine: Machine, python: str | None, advice: str
):
    if python:
        machine.put(machine.programs / "python3", python)
    done = machine.run("check")
    assert done.returncode == 1
    assert advice in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_machine_whose_python_is_too_old_says_so(machine: Machine):
    machine.put(machine.programs / "uv", '#!/bin/sh\n[ "$1" != python ]\n')
    done = machine.run("test")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


@pytest.mark.parametrize(
    ("answered", "status", "said"),
    [
        (0, 0, ""),
        (1, 1, "Found 1 known vulnerability\n- GHSA-1\n"),
        (
            2,
            0,
            "The locked packages weren't checked for known vulnerabilities: Found 1 known vulnerability\n",
        ),
    ],
)
def test_a_known_vulnerability_fails_and_a_database_that_is_away_does_not(
    machine: Machine, answered: int, status: int, said: str
):
    audit = 'if [ "$1" = audit ]; then printf "Found 1 known vulnerability\\n- GHSA-1\\n"; exit {}; fi\n'
    machine.put(machine.programs / "uv", LOG + audit.format(answered))
    done = machine.run("vulnerabilities")
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "")
    assert "uv audit --frozen" in machine.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1.0.0", "2.0.0"], "Usage: "),
        (["--upload"], "Usage: "),
        (["--tag"], "--tag needs a VERSION"),
        (["--out", "full"], "full isn't empty"),
    ],
)
def test_a_release_that_is_asked_for_wrongly_builds_nothing(
    machine: Machine, arguments: list[str], said: str
):
    machine.put(machine.programs / "ls").symlink_to(str(shutil.which("ls")))
    machine.put(machine.checkout / "full/file", "")
    done = machine.run("release", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert machine.log.read_text() == ""


@pytest.mark.parametrize("broken", ["check", "test"])
def test_ci_fails_if_either_script_fails(machine: Machine, broken: str):
    shutil.copytree(ROOT / ".ci", machine.checkout / ".ci")
    for name in ("check", "test"):
        machine.put(machine.checkout / "scripts" / name, f"#!/bin/sh\nexit {int(name == broken)}\n")
    assert machine.run("../.ci/run").returncode == 1
    machine.put(machine.checkout / "scripts" / broken, "#!/bin/sh\n")
    assert machine.run("../.ci/run").returncode == 0


def test_every_script_says_in_its_second_line_what_it_does():
    scripts = [file for file in ROOT.glob("scripts/[!_]*") if file.is_file() and file.suffix != ".py"]
    assert len(scripts) >= 6
    for script in (*scripts, ROOT / ".ci/run"):
        first, second = script.read_text().splitlines()[:2]
        assert first == "#!/usr/bin/env bash"
        assert second.startswith("# ")
        assert os.access(script, os.X_OK)
