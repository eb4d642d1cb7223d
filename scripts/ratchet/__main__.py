"""Prints the findings of every rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.ratchet import dependencies, excepts, leftovers, names, privates, sizes, slivers
from scripts.ratchet.checkout import Checkout, Finding

RULES = (
    leftovers.find,
    sizes.find,
    names.find,
    excepts.find,
    slivers.find,
    privates.find,
    dependencies.find,
)


def main() -> int:
    """Prints every finding; the exit status says whether there was one."""
    found = list(findings(Checkout(Path(sys.argv[1] if len(sys.argv) > 1 else "."))))
    for finding in found:
        print(finding)
    return 1 if found else 0


def findings(checkout: Checkout) -> Iterator[Finding]:
    """What is wrong with a checkout."""
    for find in RULES:
        yield from find(checkout)


if __name__ == "__main__":
    sys.exit(main())
