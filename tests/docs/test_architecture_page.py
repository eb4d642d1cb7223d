"""What docs/architecture.md says is so: its layers are those that are checked, its numbers the code's."""

import re
import shlex
import tomllib
from importlib import import_module

from agentos.runner.durable import host
from agentos.runner.worker import heartbeat, loops
from benchmarks.measures import MEASURES
from tests.docs.readme import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text()


def test_the_layers_are_those_that_are_checked():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["name"] == "Imports point down")
    there = [path.name for path in (ROOT / "agentos").iterdir()]
    checked = [
        {name for name in re.findall(r"\w+", layer) if name in there or f"{name}.py" in there}
        for layer in layers
    ]
    table = TEXT.partition("## Layers")[2].partition("\n\nIn ")[0]
    shown = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in table.splitlines() if "| `" in line]
    assert [names for names in checked if names] == shown


def test_the_rooms_are_there():
    rooms = re.search(r"In `runner`, .*?the way there\.", TEXT, re.DOTALL).group()
    for package, text in zip(("runner", "db"), rooms.split("In `")[1:], strict=True):
        for name in re.findall(r"`(\w+)`", text):
            assert import_module(f"agentos.{package}.{name}")


def test_the_numbers_are_the_codes():
    assert f"noticed after {heartbeat.DEAD_SECONDS:.0f} seconds" in TEXT
    assert host.ENDED_AGE.total_seconds() + loops.FORGET_SECONDS < 2 * 3600
    assert f"(`{host.VERSION}`)" in TEXT


def test_the_benchmark_is_there():
    (command,) = re.findall(r"^python .*$", TEXT, re.MULTILINE)
    assert set(shlex.split(command)[3:]) <= set(MEASURES)


def test_the_readme_leads_here():
    assert "](docs/architecture.md)" in (ROOT / "README.md").read_text()
