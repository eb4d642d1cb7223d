"""What a wheel holds."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import agentos

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return ZipFile(file)


def test_it_ships_every_migration_and_nothing_outside_the_package(wheel: ZipFile):
    names = set(wheel.namelist())
    migrations = {file.relative_to(ROOT / "migrations") for file in ROOT.glob("migrations/**/*.py")}
    assert migrations
    assert {f"agentos/db/migrations/{file.as_posix()}" for file in migrations} <= names
    assert {name.split("/")[0] for name in names} == {
        "agentos",
        f"agentos_server-{agentos.__version__}.dist-info",
    }


def test_it_tells_type_checkers_that_it_has_types(wheel: ZipFile):
    assert "agentos/py.typed" in wheel.namelist()
