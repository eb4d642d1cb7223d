"""The text files of a checkout, read and parsed once for all rules."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what to do about it."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, or one name from it."""

    line: int
    module: str
    name: str | None


@dataclass(frozen=True)
class File:
    """A text file; `name` is its path in the checkout, with slashes."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of a Python file."""
        return ast.parse(self.text, self.name)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the syntax tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> list[Import]:
        """What a Python file imports, wherever in it."""
        found: list[Import] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [Import(node.lineno, alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = ".".join(filter(None, [*self._package(node.level), node.module]))
                found += [Import(node.lineno, module, alias.name) for alias in node.names]
        return found

    def _package(self, level: int) -> list[str]:
        """What an import with so many leading dots is relative to."""
        return self.name.split("/")[:-level] if level else []

    @cached_property
    def lines(self) -> int:
        """How many lines it has."""
        return len(self.text.splitlines())

    @property
    def folder(self) -> str:
        """The path of the folder that it is in; "" for the checkout itself."""
        return self.name.rpartition("/")[0]

    @property
    def module(self) -> str:
        """The dotted name that a Python file is imported by."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Checkout:
    """What git tracks or would track in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.names = tracked(self.root)
        """The paths of all files, binary ones too."""
        texts = {name: (self.root / name).read_bytes() for name in self.names}
        self.files = [File(name, raw.decode()) for name, raw in texts.items() if b"\0" not in raw]
        self.python = [file for file in self.files if file.name.endswith(".py")]


def tracked(root: Path) -> list[str]:
    """The files of a checkout: committed, staged or new, but not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())
