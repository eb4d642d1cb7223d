"""Editors and commits follow what `scripts/check` asks for."""

import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
ELSEWHERE = {"uv_sync", "uv lock --quiet --check", "./scripts/vulnerabilities"}
"""What of the check needs uv or the network: no hook's business."""


def editors(section: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    assert parser["top"]["root"] == "true"
    return dict(parser[section])


def test_the_hooks_are_the_linters_of_the_check_from_the_locked_environment():
    (repository,) = HOOKS["repos"]
    assert repository["repo"] == "local"
    run = [hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]]
    lines = (ROOT / "scripts/check").read_text().partition('_uv.sh"\n')[2].splitlines()
    assert run == [line for line in lines if line not in ELSEWHERE]
    for hook in repository["hooks"]:
        assert hook["entry"].startswith(".venv/bin/")
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)


def test_every_hook_runs_before_a_push():
    assert HOOKS["default_install_hook_types"] == ["pre-commit", "pre-push"]
    slow = [hook["id"] for hook in HOOKS["repos"][0]["hooks"] if hook.get("stages") == ["pre-push"]]
    assert slow == ["pyright", "site"]


def test_editors_and_the_formatter_agree():
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert int(editors("*.py")["max_line_length"]) == ruff["line-length"]


def test_every_text_file_is_as_editors_are_told():
    every, tables = editors("*"), editors("*.{yml,yaml,toml}")
    assert (every["end_of_line"], every["indent_style"], every["charset"]) == ("lf", "space", "utf-8")
    assert every["insert_final_newline"] == every["trim_trailing_whitespace"] == "true"
    assert tables["indent_size"] == "2"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if not path.is_file() or b"\0" in (raw := path.read_bytes()) or name.startswith("tests/flows/seeds/"):
            continue
        text = raw.decode()
        assert not text or text.endswith("\n"), name
        assert [line for line in text.split("\n") if line != line.rstrip() or "\t" in line] == [], name
