"""Tries the agentos that is installed in an environment of its own, where `scripts/release` runs it:

python -I scripts/distribution/trial.py VERSION MIGRATIONS
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import agentos
from agentos.agent import Agent
from agentos.db.schema.upgrade import migrations_folder
from agentos.models.offline import OfflineModel


def main() -> None:
    """Exits with a sentence if something is missing or doesn't work."""
    version, migrations = sys.argv[1], Path(sys.argv[2])
    package = Path(agentos.__file__).parent
    expect(package.is_relative_to(sys.prefix), f"agentos was imported from {package}, not from {sys.prefix}")
    expect(agentos.__version__ == version, f"agentos says that it is {agentos.__version__}, not {version}")
    for module in walk_packages(agentos.__path__, "agentos."):
        if not module.name.startswith("agentos.db.migrations"):
            import_module(module.name)
    expect(migrations_folder().is_relative_to(package), f"the migrations are in {migrations_folder()}")
    expect(files(migrations_folder()) == files(migrations), "the migrations aren't those of the checkout")
    expect((package / "py.typed").is_file(), "py.typed is missing")
    answer = Agent(model=OfflineModel(), tools=[add]).run('Please use add with {"a": 2, "b": 3}')
    expect("add answered: 5" in str(answer.content), f"the offline model answered {answer.content!r}")


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def files(folder: Path) -> dict[str, bytes]:
    """The Python files of a folder, by their paths in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py")}


def expect(it_holds: bool, otherwise: str) -> None:
    """Ends the trial with a sentence unless it holds."""
    if not it_holds:
        sys.exit(f"{otherwise}.")


if __name__ == "__main__":
    main()
