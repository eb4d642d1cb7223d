"""A page cut into the blocks that a reader would type, and what it shows for them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()


@dataclass(frozen=True)
class Block:
    language: str
    title: str
    text: str


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    fences = re.findall(r'^```(\w+)(?: title="(\S*)")?\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    assert len(fences) * 2 == len(re.findall(r"^```", page, re.MULTILINE)), "a fence that can't be read"
    return [Block(*fence) for fence in fences]


def section(heading: str, page: str = README) -> list[Block]:
    """The fenced blocks under a heading, in order."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return blocks(found[1])


def looks_like(shown: str, real: str) -> bool:
    """Whether `real` is what is shown, where `…` is anything."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, real.strip().replace("\r\n", "\n"), re.DOTALL) is not None
