"""The reference has every public name: those of `__all__`, and all that pages and the cookbook import."""

import ast
import re
from importlib import import_module
from inspect import signature
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

import agentos
from agentos import errors
from scripts.tables import PAGES, written
from tests.docs.readme import DOCS, README, ROOT, blocks

INTERNAL = ("agentos.os.api", "agentos.os.tokens")
"""Packages whose `__all__` is for the server's own modules."""


def resolved(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def listed() -> dict[str, Any]:
    """What the reference documents, by the path that it is documented under."""
    texts = [path.read_text() for path in (DOCS / "reference").glob("*.md")]
    found = [path for text in texts for path in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert len(found) == len(set(found))
    return {path: resolved(*path.rsplit(".", 1)) for path in found}


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.AgentOSError)


def exported() -> set[str]:
    """The names of every `__all__`, and all errors."""
    names = {f"agentos.errors.{name}" for name, each in vars(errors).items() if is_error(each)}
    for each in walk_packages(agentos.__path__, "agentos."):
        if not each.name.startswith((*INTERNAL, "agentos.db.migrations")):
            module = import_module(each.name)
            names |= {f"{each.name}.{name}" for name in getattr(module, "__all__", ())}
    return names


def imported(source: str) -> set[str]:
    """The names that a program imports from agentos."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in nodes if (node.module or "").partition(".")[0] == "agentos"]
    return {f"{node.module}.{alias.name}" for node in ours for alias in node.names}


def shown() -> dict[str, set[str]]:
    """What each page and each program of the cookbook imports."""
    pages = {"README.md": README} | {path.name: path.read_text() for path in DOCS.rglob("*.md")}
    programs = {
        name: "\n".join(block.text for block in blocks(page) if block.language == "python")
        for name, page in pages.items()
        if name not in {"architecture.md", "maintainers.md", "upgrades.md"}
    }
    programs |= {path.name: path.read_text() for path in (ROOT / "cookbook").rglob("*.py")}
    return {name: imported(source) for name, source in programs.items()}


def missing(names: set[str]) -> list[str]:
    documented = listed()
    return sorted(
        name
        for name in names - documented.keys()
        if not any(resolved(*name.rsplit(".", 1)) is each for each in documented.values())
    )


def test_every_exported_name_is_in_the_reference():
    assert missing(exported()) == [], "add `::: module.Name` to a page of docs/reference"


def test_every_name_that_a_page_imports_is_in_the_reference():
    assert missing(set().union(*shown().values())) == [], "add `::: module.Name` to a page of docs/reference"


def test_every_parameter_that_a_page_names_exists():
    classes = {path.rpartition(".")[2]: each for path, each in listed().items()}
    text = "\n".join(path.read_text() for path in DOCS.glob("*.md"))
    named = re.findall(r"`(\w+)\((\w+)=[^`]*\)`", text)
    assert len(named) > 20
    assert [
        (name, parameter)
        for name, parameter in named
        if name in classes and parameter not in signature(classes[name]).parameters
    ] == []


def test_what_is_in_the_reference_has_a_docstring():
    without = [name for name, each in listed().items() if isinstance(each, type) and not each.__doc__]
    assert without == []


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_of_the_pages_are_current(page: str):
    text = (DOCS / page).read_text()
    assert written(page, text) == text, "run python -m scripts.tables"


def test_console_blocks_hold_only_what_no_test_can_run():
    """Those of the pages that test_pages.py follows; the others' are run by their own tests."""
    from tests.docs.test_pages import FOLLOWED

    for name in FOLLOWED:
        for block in blocks((DOCS / f"{name}.md").read_text()):
            if block.language == "console":
                programs = {line.split()[0] for line in block.text.splitlines()}
                assert programs <= {"docker", "kubectl", "sudo"}, f"{name}.md"


def test_the_deployments_run_commands_that_exist():
    from tests.cli.commands import agentos as called

    page = (DOCS / "operating.md").read_text()
    (unit,) = re.findall(r"^ExecStart=\S+/agentos (.*)$", page, re.MULTILINE)
    containers = [re.findall(r"[\w:.-]+", args) for args in re.findall(r"args: \[agentos, (.*)\]", page)]
    for words in (unit.split(), *containers):
        name = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        help_ = called(*name, "--help")
        assert help_.status == 0, words
        assert [word for word in words if word.startswith("--") and word not in help_.output] == []


def test_the_probes_ask_what_is_public():
    from agentos.os.policy.default_scopes import PUBLIC_PATHS

    page = Path(DOCS / "operating.md").read_text()
    assert set(re.findall(r"path: (/\w+), port", page)) <= {
        path.removeprefix("GET ") for path in PUBLIC_PATHS
    }
