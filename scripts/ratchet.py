"""Refuses what no change may bring in: long files, long functions, wide signatures, broad excepts, leftovers.

    python scripts/ratchet.py [CHECKOUT]

Looks at the files that git tracks or would track. Prints one line a finding and exits 1 if there is any.
There is no list of exceptions for sizes: what has outgrown its room is split.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
TEST_FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 8
CONSTRUCTOR_PARAMETERS = 40

BROAD_EXCEPTS = {
    "agentos/models/catalog.py": 1,  # the import of another package's module: its failure is a sentence
    "agentos/os/audit/log.py": 1,  # a background loop, which must not end before the server does
    "agentos/os/server/retention.py": 1,  # a background loop, which must not end before the server does
    "agentos/runner/execution/execute.py": 2,  # the run's boundary: executing, and storing its outcome
    "agentos/runner/events/writer.py": 1,  # the log's failure is that of every run that writes to it
    "agentos/runner/worker/loops.py": 1,  # background loops, which must not end before the server does
    "agentos/tools/tool.py": 1,  # the call of a user's function: its failure is an answer to the model
}
"""How many handlers for everything a file holds."""

# Spelled so that this file has none of them.
LEFTOVER = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")
HOME = re.compile(r"(?<![\w.:/-])/(?:[h]ome|[r]oot|[U]sers)/\w+")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Prints every finding; the exit status says whether there was one."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = [finding for name in tracked(root) for finding in findings(root, name)]
    for finding in found:
        print(finding)
    return 1 if found else 0


def tracked(root: Path) -> list[str]:
    """The text files of a checkout: committed, staged or new, but not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())


def findings(root: Path, name: str) -> Iterator[str]:
    """What is wrong with one file, as `file:line: sentence`."""
    raw = (root / name).read_bytes()
    if b"\0" in raw:
        return
    text = raw.decode()
    yield from leftovers(name, text, str(root))
    if name.endswith(".py"):
        yield from sizes(name, text)
        yield from broad_excepts(name, ast.parse(text))


def leftovers(name: str, text: str, root: str) -> Iterator[str]:
    """Notes to oneself, and paths that exist on one machine only."""
    for number, line in enumerate(text.splitlines(), 1):
        if LEFTOVER.search(line):
            yield f"{name}:{number}: finish it, or file an issue"
        if HOME.search(line) or root in line:
            yield f"{name}:{number}: a path of one machine"


def sizes(name: str, text: str) -> Iterator[str]:
    """Files, functions and signatures that are too big."""
    lines, most = len(text.splitlines()), TEST_FILE_LINES if name.startswith("tests/") else FILE_LINES
    if lines > most:
        yield f"{name}:1: {lines} lines, at most {most}"
    for function, in_class in functions(ast.parse(text)):
        where = f"{name}:{function.lineno}: {function.name}"
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > FUNCTION_LINES:
            yield f"{where} has {length} lines, at most {FUNCTION_LINES}"
        count = parameters(function, in_class)
        most = CONSTRUCTOR_PARAMETERS if function.name == "__init__" else PARAMETERS
        if count > most:
            yield f"{where} has {count} parameters, at most {most}"


def functions(tree: ast.AST, in_class: bool = False) -> Iterator[tuple[Function, bool]]:
    """Every function, and whether it stands in a class."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node, in_class
        yield from functions(node, isinstance(node, ast.ClassDef))


def parameters(function: Function, in_class: bool) -> int:
    """How many values a caller may give; `self` and `cls` aren't given."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in function.decorator_list)
    bound = 1 if in_class and not static else 0
    return len(named) + (given.vararg is not None) + (given.kwarg is not None) - bound


def broad_excepts(name: str, tree: ast.AST) -> Iterator[str]:
    """Handlers that swallow everything; one that raises again is cleaning up and may stay."""
    broad = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and swallows(node)]
    allowed = BROAD_EXCEPTS.get(name, 0)
    for handler in broad[allowed:]:
        yield f"{name}:{handler.lineno}: catches everything: name what you can answer"
    if len(broad) < allowed:
        yield f"{name}:1: catches everything {len(broad)} times: lower its figure in BROAD_EXCEPTS"


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether it catches every exception and doesn't end by raising the same one again."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    broad = handler.type is None or bool(names & {"Exception", "BaseException"})
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


if __name__ == "__main__":
    sys.exit(main())
