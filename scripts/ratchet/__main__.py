"""Prints the findings of every rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.ratchet import dependencies, excepts, leftovers, names, privates, sizes, slivers
from scripts.ratchet.checkout import Checkout, Finding
from scripts.ratchet.left import LEFT

RULES = (leftovers.find, sizes.find, names.find, excepts.find)
LENIENT_RULES = {"sliver": slivers.find, "private": privates.find, "undeclared": dependencies.find}
"""Those that `LEFT` makes exceptions from, by its keys."""


def main() -> int:
    """Prints every finding; the exit status says whether there was one."""
    found = list(findings(Checkout(Path(sys.argv[1] if len(sys.argv) > 1 else "."))))
    for finding in found:
        print(finding)
    return 1 if found else 0


def findings(checkout: Checkout) -> Iterator[Finding]:
    """What is wrong with a checkout, less what is left for now."""
    for find in RULES:
        yield from find(checkout)
    for rule, find in LENIENT_RULES.items():
        found = list(find(checkout))
        yield from (finding for finding in found if finding.file not in LEFT[rule])
        for name in sorted(LEFT[rule].keys() & set(checkout.names) - {each.file for each in found}):
            yield Finding(name, 1, f"nothing is left to fix: remove its line from LEFT[{rule!r}]")


if __name__ == "__main__":
    sys.exit(main())
