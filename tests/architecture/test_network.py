"""Addresses that somebody else names are fetched by `agentos.net`.

HTTP clients are forbidden to the rest by an import contract; this is what a contract can't see.
"""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
STANDARD = {"ftplib", "http.client", "telnetlib", "urllib.request", "xmlrpc.client"}
OPENERS = {"create_connection", "open_connection"}
CONTRACT = "Addresses that somebody else names are fetched by agentos.net"


def used(tree: ast.AST) -> set[str]:
    """What a module imports or calls of the standard library to connect to others."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names} & STANDARD
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{name.name}" for name in names)} & STANDARD
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                found |= {name} & OPENERS
            case _:
                pass
    return found


def test_nobody_connects_elsewhere_with_the_standard_library():
    programs = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in (ROOT / "agentos").rglob("*.py")
    }
    assert len(programs) > 100
    assert {name: used(tree) for name, tree in programs.items() if used(tree)} == {
        "agentos/cli/demo_app.py": {"open_connection"},
        "agentos/db/embedded/server.py": {"create_connection"},
    }, "both connect to this machine"


def test_such_programs_would_be_found():
    assert used(ast.parse("import urllib.request")) == {"urllib.request"}
    assert used(ast.parse("from urllib import request, parse")) == {"urllib.request"}
    assert used(ast.parse("await asyncio.open_connection('10.0.0.1', 80)")) == {"open_connection"}
    assert used(ast.parse("from urllib.parse import urlsplit")) == set()


def test_only_models_and_published_keys_have_clients_of_their_own():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each["name"] == CONTRACT)
    assert {"httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "requests"} <= {
        *contract["forbidden_modules"]
    }
    assert contract["ignore_imports"] == [
        "agentos.net.** -> *",
        "agentos.models.** -> httpx2",
        "agentos.os.tokens.keys.remote -> httpx",
    ]
