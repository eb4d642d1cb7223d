"""What docs/models.md says is so: its table's names are known, and its package adds a provider."""

import re
import subprocess
import sys
import tomllib

import pytest

from agentos.models.catalog import resolve
from tests.docs.reader import Reader
from tests.docs.readme import ROOT, section

TEXT = (ROOT / "docs" / "models.md").read_text()


@pytest.mark.parametrize(("name", "kind"), re.findall(r"^\| `(\S+)` \| `(\w+)`", TEXT, re.MULTILINE))
def test_every_name_of_the_table_is_its_model(name, kind):
    assert type(resolve(name)).__name__ == kind


def test_the_first_example_prints_what_is_shown(tmp_path):
    Reader(tmp_path, "").follow(TEXT.partition("## Adding a provider")[0])


def test_the_package_of_the_page_adds_its_provider(tmp_path):
    blocks = section("Adding a provider", TEXT)
    files = {block.title: block.text for block in blocks if block.title}
    (shown,) = [block.text for block in blocks if block.language == "text"]
    for name in ("acme_models.py", "hello.py"):
        (tmp_path / name).write_text(files[name])
    project = tomllib.loads(files["pyproject.toml"])["project"]
    ((group, entries),) = project["entry-points"].items()
    folder = tmp_path / f"acme_models-{project['version']}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {target}" for name, target in entries.items()]
    (folder / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
    done = subprocess.run(
        [sys.executable, "hello.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == shown


def test_the_readme_leads_to_the_page():
    assert "](docs/models.md)" in (ROOT / "README.md").read_text()
