"""What a wheel holds."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def test_the_wheel_ships_every_migration_and_nothing_outside_the_package(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    migrations = {file.relative_to(ROOT / "migrations") for file in ROOT.glob("migrations/**/*.py")}
    assert migrations
    assert {f"agentos/db/migrations/{file.as_posix()}" for file in migrations} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"agentos"}
