"""Modules too small to stand alone: short, and of use to one other module only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from scripts.ratchet.checkout import Checkout, Finding

SLIVER_LINES = 60
"""A module with fewer needs two importers. Tests don't count: they mirror the package."""


def find(checkout: Checkout) -> Iterator[Finding]:
    """Every such module of the package. An `__init__` is its package's face and may be short."""
    modules = {file.module: file.name for file in checkout.python}
    importers: defaultdict[str, set[str]] = defaultdict(set)
    for file in checkout.python:
        if file.name.startswith("tests/"):
            continue
        for each in file.imports:
            found = modules.get(f"{each.module}.{each.name}") or modules.get(each.module)
            if found not in (None, file.name):
                importers[found].add(file.name)
    for file in checkout.python:
        if not file.name.startswith("agentos/") or file.name.endswith("/__init__.py"):
            continue
        if file.lines < SLIVER_LINES and len(importers[file.name]) == 1:
            (home,) = importers[file.name]
            yield Finding(file.name, 1, f"{file.lines} lines that only {home} imports: they belong there")
