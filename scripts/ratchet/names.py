"""Modules and folders that are named by an activity: a module is a thing."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.ratchet.checkout import Checkout, Finding

FOLDERS = ("agentos", "benchmarks", "cookbook", "migrations", "scripts", "tests")
NOUNS = {"docstring", "encoding", "ring"}
"""Words in -ing that are things; add one only with the module that needs it."""
OLD_PATHS = {
    "agentos/os/housekeeping.py": "answers for one release: Retention is in agentos.os now",
    "agentos/os/queueing.py": "answers for one release: QueueConfig is in agentos.os now",
}
"""Deprecated modules that keep their name until they go."""


def find(checkout: Checkout) -> Iterator[Finding]:
    """Every Python file with such a name in its path."""
    for file in checkout.python:
        parts = file.name.removesuffix(".py").split("/")
        if parts[0] not in FOLDERS or file.name in OLD_PATHS:
            continue
        for part in parts:
            word = part.rpartition("_")[2]
            if word.endswith("ing") and word not in NOUNS:
                yield Finding(file.name, 1, f"{part!r} names an activity: name the thing that does it")
