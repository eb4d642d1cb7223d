"""What the pages for maintainers and reporters name is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from agentos.db.schema import row_security
from scripts.ratchet import sizes, slivers
from tests.docs.readme import ROOT

MAINTAINERS = (ROOT / "docs" / "maintainers.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()


@pytest.mark.parametrize(
    "page",
    [ROOT / name for name in ("docs/maintainers.md", "docs/glossary.md", "SECURITY.md", "CONTRIBUTING.md")],
)
def test_links_scripts_and_files_exist(page: Path):
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r"\]\((?!https:)([^)#]+)\)", text)]
    named = [ROOT / name for name in re.findall(r"\./(scripts/\w+(?:\.sh)?)", text)]
    files = [
        ROOT / name for name in re.findall(r"`((?:agentos|docs|tests|scripts|migrations)/[\w/.]+)`", text)
    ]
    assert links + named + files
    assert [path for path in (*links, *named, *files) if not path.exists()] == []


def test_what_contributors_are_told_of_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert "_BUILT_IN" in (ROOT / "agentos/models/catalog.py").read_text()
    assert "def routes_of(" in (ROOT / "agentos/os/api/routers/__init__.py").read_text()
    assert 'name = "A vendor\'s SDK stays with its models"' in (ROOT / "pyproject.toml").read_text()
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists()
    for module, name in re.findall(r"`(agentos(?:\.\w+)+)\.([A-Z]\w+)`", text):
        assert hasattr(import_module(module), name)


def test_every_rule_of_the_ratchet_is_in_the_table():
    modules = {path.stem for path in ROOT.glob("scripts/ratchet/*.py") if "\ndef find(" in path.read_text()}
    assert set(re.findall(r"^\| `(\w+)` \|", MAINTAINERS, re.MULTILINE)) == modules


def test_its_figures_are_the_real_ones():
    for figure in (
        f"files over {sizes.FILE_LINES} lines, functions over {sizes.FUNCTION_LINES}",
        f"signatures over {sizes.PARAMETERS} parameters, constructors over {sizes.CONSTRUCTOR_PARAMETERS}",
        f"folders over {sizes.FOLDER_FILES} files",
        f"under {slivers.SLIVER_LINES} lines",
    ):
        assert figure in MAINTAINERS
    assert callable(row_security.protect)


def test_what_is_supported_is_what_is_tested():
    oldest, newest = re.search(r"Python (\S+) to (\S+), Postgres 15 to 18", SECURITY).groups()
    assert f'python: ["{oldest}", "{newest}"]' in WORKFLOW
