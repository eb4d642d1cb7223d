"""Private names of other packages: they change without notice, and then we break.

An import of one is a finding, ours included. An attribute is ours if

- on `self`, `cls` and `super()`: the class or one of its bases in this checkout defines it;
- on anything else: the same module defines it;
- in a test: any module of this checkout defines it, since a test may look inside what it tests.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from scripts.ratchet.checkout import Checkout, File, Finding

PUBLIC = {"_replace"}
"""Names that only look private: named tuples document them."""

_SENTENCE = "{} is a private name of another package: use what it documents"
_BY_NAME = {"getattr", "setattr", "hasattr", "delattr"}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Every import and every access."""
    names = _Names(checkout.python)
    for file in checkout.python:
        for each in file.imports:
            whole = ".".join(filter(None, [each.module, each.name]))
            if any(map(_is_private, whole.split("."))):
                yield Finding(file.name, each.line, _SENTENCE.format(whole))
        for node, of, name, owner in _accesses(file.tree, None):
            if not names.are_ours(file, of, name, owner):
                yield Finding(file.name, node.lineno, _SENTENCE.format(f"{ast.unparse(of)}.{name}"))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


class _Names:
    """Which private names the files define, by file and by class."""

    def __init__(self, files: list[File]) -> None:
        self._files = {file.name: _defined(file.nodes) for file in files}
        self._everyones: set[str] = set().union(*self._files.values())
        self._classes: defaultdict[str, set[str]] = defaultdict(set)
        self._bases: defaultdict[str, set[str]] = defaultdict(set)
        for file in files:
            for node in file.nodes:
                if isinstance(node, ast.ClassDef):
                    self._classes[node.name] |= _defined(ast.walk(node))
                    self._bases[node.name] |= {_bare(base) for base in node.bases}

    def are_ours(self, file: File, of: ast.expr, name: str, owner: str | None) -> bool:
        """Whether `of.name`, read or written in class `owner` of `file`, is a name of this checkout."""
        if file.name.startswith("tests/"):
            return name in self._everyones
        if owner is not None and _is_own(of):
            return any(name in self._classes[each] for each in self._with_bases(owner))
        return name in self._files[file.name]

    def _with_bases(self, owner: str) -> set[str]:
        """A class and all its bases. They go by their bare names, which are unique enough."""
        found, todo = set[str](), [owner]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self._bases[name]
        return found


def _bare(base: ast.expr) -> str:
    generic = base.value if isinstance(base, ast.Subscript) else base
    return ast.unparse(generic).rpartition(".")[2]


def _defined(nodes: Iterable[ast.AST]) -> set[str]:
    """The private names that a class or module gives a value, a type or a body."""
    found: set[str] = set()
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Attribute(value=of, attr=name, ctx=ast.Store()) if _is_own(of):
                found.add(name)
            case _:
                pass
    return {name for name in found if _is_private(name)}


def _is_own(of: ast.expr) -> bool:
    match of:
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return True
        case _:
            return False


def _accesses(tree: ast.AST, owner: str | None) -> Iterator[tuple[ast.expr, ast.expr, str, str | None]]:
    """Every use of a private attribute: where, of what, its name, and the class around it."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Attribute(value=of, attr=name) if _is_private(name):
                yield node, of, name, owner
            case ast.Call(func=function, args=[of, ast.Constant(value=str(name)), *_]) if (
                _is_private(name) and ast.unparse(function).rpartition(".")[2] in _BY_NAME
            ):
                yield node, of, name, owner
            case _:
                pass
        yield from _accesses(node, node.name if isinstance(node, ast.ClassDef) else owner)
