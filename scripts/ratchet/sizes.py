"""Files, functions, signatures and folders that are too big.

There is no list of exceptions: what has outgrown its room is split.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from scripts.ratchet.checkout import Checkout, File, Finding

FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 8
CONSTRUCTOR_PARAMETERS = 60
FOLDER_FILES = 20
FOLDERS = ("agentos", "benchmarks", "tests")
"""Those whose folders are counted, each without its subfolders."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def find(checkout: Checkout) -> Iterator[Finding]:
    """Whatever is bigger than its figure."""
    yield from _folders(checkout)
    for file in checkout.python:
        yield from _sizes(file)


def _folders(checkout: Checkout) -> Iterator[Finding]:
    files = Counter(name.rpartition("/")[0] for name in checkout.names if name.split("/")[0] in FOLDERS)
    for folder, count in files.items():
        if count > FOLDER_FILES:
            yield Finding(folder, 1, f"{count} files, at most {FOLDER_FILES}")


def _sizes(file: File) -> Iterator[Finding]:
    if file.lines > FILE_LINES:
        yield Finding(file.name, 1, f"{file.lines} lines, at most {FILE_LINES}")
    for function, in_class in _functions(file.tree):
        line, name = function.lineno, function.name
        length = (function.end_lineno or line) - line + 1
        if length > FUNCTION_LINES:
            yield Finding(file.name, line, f"{name} has {length} lines, at most {FUNCTION_LINES}")
        count = _parameters(function, in_class)
        most = CONSTRUCTOR_PARAMETERS if name == "__init__" else PARAMETERS
        if count > most:
            yield Finding(file.name, line, f"{name} has {count} parameters, at most {most}")


def _functions(tree: ast.AST, in_class: bool = False) -> Iterator[tuple[Function, bool]]:
    """Every function, and whether it stands in a class."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node, in_class
        yield from _functions(node, isinstance(node, ast.ClassDef))


def _parameters(function: Function, in_class: bool) -> int:
    """How many values a caller may give; `self` and `cls` aren't given."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in function.decorator_list)
    bound = 1 if in_class and not static else 0
    return len(named) + (given.vararg is not None) + (given.kwarg is not None) - bound
