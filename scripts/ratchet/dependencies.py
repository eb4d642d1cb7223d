"""Imports of packages that pyproject.toml doesn't declare: they are there by somebody else's grace.

Needs the environment that `uv sync` makes, whose metadata says which distribution an import belongs to.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from scripts.ratchet.checkout import Checkout, File, Finding

SHIPPED = ("agentos", "cookbook", "migrations")
"""What users run, with the project's dependencies and extras. The rest may use the development groups too."""

_REQUIREMENT = re.compile(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w.-]+)['"]""")


def find(checkout: Checkout) -> Iterator[Finding]:
    """Every import of a distribution that isn't declared for its file."""
    if "pyproject.toml" not in checkout.names:
        return
    configuration = tomllib.loads((checkout.root / "pyproject.toml").read_text())
    project = configuration["project"]
    extras = project.get("optional-dependencies", {}).values()
    groups = configuration.get("dependency-groups", {}).values()
    users = _declared([*project.get("dependencies", []), *(each for extra in extras for each in extra)])
    developers = users | _declared(each for group in groups for each in group if isinstance(each, str))
    distributions = packages_distributions()
    ours = {file.name.split("/")[0].removesuffix(".py") for file in checkout.python}
    for file in checkout.python:
        declared = users if file.name.split("/")[0] in SHIPPED else developers
        for package, line in _third_party(checkout, file, ours).items():
            if not declared.intersection(map(_canonical, distributions.get(package, [package]))):
                yield Finding(file.name, line, f"{package} isn't declared in pyproject.toml")


def _third_party(checkout: Checkout, file: File, ours: set[str]) -> dict[str, int]:
    """The top-level packages of others that a file imports, with the first line that does."""
    found: dict[str, int] = {}
    for each in file.imports:
        package = each.module.partition(".")[0]
        # A program imports its neighbours by their bare names.
        neighbour = f"{file.folder}/{package}.py".lstrip("/")
        if not (package in sys.stdlib_module_names or package in ours or neighbour in checkout.names):
            found.setdefault(package, each.line)
    return found


def _declared(requirements: Iterable[str]) -> set[str]:
    """The distributions that the requirements name, and those that the extras they ask for name."""
    found: set[str] = set()
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        assert match, requirement
        found.add(_canonical(match[1]))
        extras = {extra.strip() for extra in (match[2] or "").split(",")} - {""}
        found |= _of_extras(match[1], extras) if extras else set()
    return found


def _of_extras(name: str, extras: set[str]) -> set[str]:
    try:
        required = requires(name) or []
    except PackageNotFoundError:
        return set()
    wanted = (each for each in required if extras.intersection(_EXTRA.findall(each)))
    return {_canonical(match[1]) for match in map(_REQUIREMENT.match, wanted) if match}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
