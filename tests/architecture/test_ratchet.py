"""The ratchet fails on each thing it forbids, and on nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

RATCHET = Path(__file__).parents[2] / "scripts" / "ratchet.py"


def ratchet(checkout: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    file = checkout / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return subprocess.run([sys.executable, RATCHET, checkout], capture_output=True, text=True, check=False)


def function(lines: int) -> str:
    return "def long():\n" + "    pass\n" * (lines - 1)


def signature(count: int, name: str = "wide") -> str:
    return f"def {name}({', '.join(f'p{n}' for n in range(count))}): ...\n"


def method(count: int, name: str, mark: str = "") -> str:
    own = "" if mark else "self, "
    return (
        f"class Wide:\n    {mark}\n    def {name}({own}*, {', '.join(f'p{n}' for n in range(count))}): ...\n"
    )


def handler(caught: str, *body: str) -> str:
    return f"try:\n    print()\nexcept {caught}:\n" + "".join(f"    {line}\n" for line in body)


TIDY = {
    "a file of 300 lines": ("agentos/a.py", "\n" * 300),
    "a test file of 400 lines": ("tests/a.py", "\n" * 400),
    "a function of 60 lines": ("agentos/a.py", function(60)),
    "8 parameters": ("agentos/a.py", signature(8)),
    "8 parameters and self": ("agentos/a.py", method(8, "wide")),
    "a constructor of 40": ("agentos/a.py", method(40, "__init__")),
    "a narrow except": ("agentos/a.py", handler("ValueError", "pass")),
    "a clean-up that raises again": ("agentos/a.py", handler("BaseException", "print()", "raise")),
    "a relative path": ("README.md", "see docs/root/page"),
    "a binary file": ("logo.png", "\0 TO" + "DO"),
}

UNTIDY = {
    "a file of 301 lines": ("agentos/a.py", "\n" * 301, "a.py:1: 301 lines"),
    "a script of 301 lines": ("scripts/a.py", "\n" * 301, "a.py:1: 301 lines"),
    "a test file of 401 lines": ("tests/a.py", "\n" * 401, "a.py:1: 401 lines"),
    "a function of 61 lines": ("agentos/a.py", function(61), "a.py:1: long has 61 lines"),
    "9 parameters": ("cookbook/a.py", signature(9), "a.py:1: wide has 9 parameters"),
    "9 parameters and self": ("agentos/a.py", method(9, "wide"), "a.py:3: wide has 9 parameters"),
    "9 static ones": ("agentos/a.py", method(9, "wide", "@staticmethod"), "a.py:3: wide has 9 parameters"),
    "stars count too": ("agentos/a.py", "def f(a, b, c, d, e, f, g, *h, **i): ...", "f has 9 parameters"),
    "a constructor of 41": ("agentos/a.py", method(41, "__init__"), "__init__ has 41 parameters"),
    "a broad except": ("agentos/a.py", handler("Exception", "pass"), "a.py:3: catches everything"),
    "one in a tuple": ("agentos/a.py", handler("(OSError, Exception)", "pass"), "a.py:3: catches"),
    "a bare one": ("agentos/a.py", "try:\n    f()\nexcept:\n    pass\n", "a.py:3: catches everything"),
    "one that renames": ("agentos/a.py", handler("Exception", "raise OSError"), "a.py:3: catches everything"),
    "a leftover": ("README.md", "\n# TO" + "DO: write", "README.md:2: finish it"),
    "a home folder": ("agentos/a.py", "P = '/ho" + "me/someone/x'", "a.py:1: a path of one machine"),
}


@pytest.mark.parametrize("sample", TIDY.values(), ids=TIDY.keys())
def test_what_is_within_bounds_passes(tmp_path: Path, sample: tuple[str, str]):
    done = ratchet(tmp_path, *sample)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("sample", UNTIDY.values(), ids=UNTIDY.keys())
def test_what_is_out_of_bounds_is_named_with_its_line(tmp_path: Path, sample: tuple[str, str, str]):
    name, text, finding = sample
    done = ratchet(tmp_path, name, text)
    assert done.returncode == 1
    assert finding in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_checkouts_own_path_is_a_path_of_one_machine(tmp_path: Path):
    assert "a path of one machine" in ratchet(tmp_path, "notes.txt", f"cd {tmp_path}").stdout


def test_ignored_files_are_nobodys_business(tmp_path: Path):
    (tmp_path / ".gitignore").write_text("scratch/\n")
    assert ratchet(tmp_path, "scratch/a.py", "\n" * 301).returncode == 0


def test_an_allowance_for_broad_excepts_that_is_not_used_up_is_lowered(tmp_path: Path):
    done = ratchet(tmp_path, "agentos/runner/execution/execute.py", handler("Exception", "pass"))
    assert "catches everything 1 times" in done.stdout
