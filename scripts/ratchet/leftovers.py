"""Notes to oneself, and paths that exist on one machine only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.ratchet.checkout import Checkout, Finding

# Spelled so that this file has none of them.
_NOTE = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")
_HOME = re.compile(r"(?<![\w.:/-])/(?:[h]ome|[r]oot|[U]sers)/\w+")


def find(checkout: Checkout) -> Iterator[Finding]:
    """Every line of any text file that has one."""
    root = str(checkout.root)
    for file in checkout.files:
        for number, line in enumerate(file.text.splitlines(), 1):
            if _NOTE.search(line):
                yield Finding(file.name, number, "finish it, or file an issue")
            if _HOME.search(line) or root in line:
                yield Finding(file.name, number, "a path of one machine")
