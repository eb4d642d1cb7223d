"""The ratchet fails on each thing it forbids, and on nothing else."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from scripts.ratchet import excepts, names
from scripts.ratchet.__main__ import findings
from scripts.ratchet.checkout import Checkout

ROOT = Path(__file__).parents[2]


def made(checkout: Path, files: dict[str, str]) -> Path:
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    for name, text in files.items():
        file = checkout / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return checkout


def found(checkout: Path, files: dict[str, str]) -> list[str]:
    return [str(finding) for finding in findings(Checkout(made(checkout, files)))]


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


def folder(name: str, count: int) -> dict[str, str]:
    return {f"{name}/m{n}.py": "" for n in range(count)}


def sliver(lines: int, *importers: str) -> dict[str, str]:
    """A module of the package, and those that import it."""
    imports = dict.fromkeys(importers, "from agentos.tools import small\n")
    return {"agentos/tools/small.py": "\n" * lines, **imports}


def project(imports: str, *, of: str = "agentos/a.py", base: str = "", extra: str = "", dev: str = ""):
    """A file with an import, and what pyproject.toml declares."""
    declared = f"""
        [project]
        name = "agentos"
        dependencies = [{base}]
        [project.optional-dependencies]
        more = [{extra}]
        [dependency-groups]
        dev = [{dev}, {{include-group = "other"}}]
        other = []
        """
    return {"pyproject.toml": dedent(declared).replace("[, ", "["), of: imports}


OWN = """
class Base:
    _shared: int = 0
    def __init__(self): self._own = self._method()
    def _method(self): return _helper()._own
class Child(Base):
    def work(self, other): return self._shared, super()._method(), other._own, other._replace(a=1)
def _helper(): ...
"""
FOREIGN_SELF = "from x import Base\nclass Child(Base):\n    def f(self): return self._x\n"
FOREIGN_SUPER = "from x import Base\nclass Child(Base[int]):\n    def f(self): return super()._x()\n"
BASE = "class Base:\n    _x = 1\n"
CHILD = "from agentos.b import Base\nclass Child(Base[int]):\n    def f(self): return self._x\n"

TIDY = {
    "a file of 400 lines": {"agentos/a.py": "\n" * 400},
    "a function of 60 lines": {"agentos/a.py": function(60)},
    "8 parameters": {"agentos/a.py": signature(8)},
    "8 parameters and self": {"agentos/a.py": method(8, "wide")},
    "a constructor of 60": {"agentos/a.py": method(60, "__init__")},
    "a folder of 20": folder("agentos/a", 20),
    "20 and a subfolder": folder("agentos/a", 20) | folder("agentos/a/b", 20),
    "a folder elsewhere": folder("docs", 21),
    "a narrow except": {"agentos/a.py": handler("ValueError", "pass")},
    "a clean-up that raises again": {"agentos/a.py": handler("BaseException", "print()", "raise")},
    "a relative path": {"README.md": "see docs/root/page"},
    "a binary file": {"logo.png": "\0 TO" + "DO"},
    "a noun in -ing": {"agentos/docstring.py": "", "tests/test_ring.py": ""},
    "an old path": {"agentos/os/queueing.py": ""},
    "a page on an activity": {"docs/scaling.md": ""},
    "a short module with two importers": sliver(59, "agentos/a.py", "agentos/b.py"),
    "one that a program of the cookbook imports too": sliver(59, "agentos/a.py", "cookbook/b.py"),
    "one that nobody imports": sliver(59),
    "a module that is no sliver": sliver(60, "agentos/a.py"),
    "a face": {"agentos/tools/__init__.py": "", "agentos/a.py": "from agentos.tools import tool\n"},
    "a short module that imports itself": sliver(59, "agentos/tools/small.py"),
    "private names of our own": {"agentos/a.py": OWN},
    "a private name of a base elsewhere": {"agentos/a.py": CHILD, "agentos/b.py": BASE + "\n" * 60},
    "a test that looks inside": {"agentos/b.py": BASE, "tests/a.py": "from x import b\nb.c._x\n"},
    "one that replaces something inside": {"agentos/b.py": BASE, "tests/a.py": "m.setattr(b, '_x', 1)\n"},
    "a magic name": {"agentos/a.py": "from x import __version__\nx.__dict__\nx.__future__\n"},
    "a declared import": project("import yaml", base="'PyYAML>=6'"),
    "the standard library and our own": project("import os, agentos.b\nfrom tests import c", of="tests/a.py")
    | {"agentos/b.py": ""},
    "an import of an extra": project("import ddgs", extra="'ddgs'"),
    "what a declared extra brings": project("import psycopg_pool", base="'psycopg[binary, pool]>=3'"),
    "a developer's tool in a test": project("import pytest", of="tests/a.py", dev="'pytest>=9'"),
    "an extra of our own": project("import yaml", of="tests/a.py", dev="'agentos[more]'", extra="'pyyaml'"),
    "a neighbour of a program": project("import b", of="tests/a.py") | {"tests/b.py": ""},
    "a checkout that declares nothing": {"agentos/a.py": "import yaml"},
}

UNTIDY = {
    "a file of 401 lines": ({"agentos/a.py": "\n" * 401}, "a.py:1: 401 lines"),
    "a script of 401 lines": ({"scripts/a.py": "\n" * 401}, "a.py:1: 401 lines"),
    "a test file of 401 lines": ({"tests/a.py": "\n" * 401}, "a.py:1: 401 lines"),
    "a function of 61 lines": ({"agentos/a.py": function(61)}, "a.py:1: long has 61 lines"),
    "9 parameters": ({"cookbook/a.py": signature(9)}, "a.py:1: wide has 9 parameters"),
    "9 parameters and self": ({"agentos/a.py": method(9, "wide")}, "a.py:3: wide has 9 parameters"),
    "9 static ones": ({"agentos/a.py": method(9, "wide", "@staticmethod")}, "a.py:3: wide has 9 parameters"),
    "stars count too": ({"agentos/a.py": "def f(a, b, c, d, e, f, g, *h, **i): ..."}, "f has 9 parameters"),
    "a constructor of 61": ({"agentos/a.py": method(61, "__init__")}, "__init__ has 61 parameters"),
    "a folder of 21": (folder("agentos/a", 21), "agentos/a:1: 21 files"),
    "one of tests": (folder("tests", 20) | {"tests/data.json": ""}, "tests:1: 21 files"),
    "one of benchmarks": (folder("benchmarks/a/b", 21), "benchmarks/a/b:1: 21 files"),
    "a broad except": ({"agentos/a.py": handler("Exception", "pass")}, "a.py:3: catches everything"),
    "one in a tuple": ({"agentos/a.py": handler("(OSError, Exception)", "pass")}, "a.py:3: catches"),
    "a bare one": ({"agentos/a.py": "try:\n    f()\nexcept:\n    pass\n"}, "a.py:3: catches everything"),
    "one that renames": (
        {"agentos/a.py": handler("Exception", "raise OSError")},
        "a.py:3: catches everything",
    ),
    "a leftover": ({"README.md": "\n# TO" + "DO: write"}, "README.md:2: finish it"),
    "a home folder": ({"agentos/a.py": "P = '/ho" + "me/someone/x'"}, "a.py:1: a path of one machine"),
    "an activity": ({"agentos/asking.py": ""}, "agentos/asking.py:1: 'asking' names an activity"),
    "a folder that is one": ({"benchmarks/run_loading/a.py": ""}, "'run_loading' names an activity"),
    "a test of one": ({"tests/test_asking.py": ""}, "'test_asking' names an activity"),
    "one of a migration": ({"migrations/versions/0009_renaming.py": ""}, "'0009_renaming' names"),
    "a script that is one": ({"scripts/keeping.py": ""}, "'keeping' names an activity"),
    "an example of one": ({"cookbook/01_routing/a.py": ""}, "'01_routing' names an activity"),
    "a sliver": (sliver(59, "agentos/a.py"), "small.py:1: 59 lines that only agentos/a.py imports"),
    "one that tests import too": (sliver(5, "agentos/a.py", "tests/b.py"), "that only agentos/a.py imports"),
    "one that a face imports": (sliver(5, "agentos/__init__.py"), "only agentos/__init__.py imports"),
    "one by its whole name": (
        {"agentos/b.py": "", "agentos/c.py": "def f():\n    import agentos.b\n"},
        "agentos/b.py:1: 0 lines that only agentos/c.py imports",
    ),
    "one by a dot": (
        {"agentos/d/b.py": "", "agentos/d/c.py": "from .b import x\n"},
        "agentos/d/b.py:1: 0 lines that only agentos/d/c.py imports",
    ),
    "a private module": ({"agentos/a.py": "from x._y import z"}, "a.py:1: x._y.z is a private name"),
    "a whole private module": ({"tests/a.py": "import x._y"}, "a.py:1: x._y is a private name"),
    "a private function": ({"scripts/a.py": "from x import _y"}, "a.py:1: x._y is a private name"),
    "a private attribute": ({"agentos/a.py": "import x\nx.y._z()"}, "a.py:2: x.y._z is a private name"),
    "one that is assigned": ({"agentos/a.py": "x._y = 1"}, "a.py:1: x._y is a private name"),
    "one of a foreign base": ({"agentos/a.py": FOREIGN_SELF}, "a.py:3: self._x is a private name"),
    "one through super": ({"agentos/a.py": FOREIGN_SUPER}, "a.py:3: super()._x is a private name"),
    "one that another module has": (
        {"agentos/a.py": FOREIGN_SELF, "agentos/b.py": "class Other:\n    _x = 1\n"},
        "a.py:3: self._x is a private name",
    ),
    "one by its name": ({"agentos/a.py": "getattr(x, '_y', None)"}, "a.py:1: x._y is a private name"),
    "one that a test replaces": ({"tests/a.py": "m.setattr(x, '_y', 1)"}, "a.py:1: x._y is a private name"),
    "an undeclared import": (project("import os\nimport yaml\nimport yaml"), "a.py:2: yaml isn't declared"),
    "one within a function": (project("def f():\n    from yaml.a import b"), "a.py:2: yaml isn't declared"),
    "one of a dependency's": (project("import starlette", base="'fastapi'"), "starlette isn't declared"),
    "one of an extra not asked for": (
        project("import psycopg_pool", base="'psycopg[binary]'"),
        "psycopg_pool isn't declared",
    ),
    "a developer's tool": (project("import pytest", dev="'pytest'"), "pytest isn't declared"),
    "one in a test": (project("import yaml", of="tests/a.py"), "tests/a.py:1: yaml isn't declared"),
    "one that isn't installed": (project("import nowhere"), "a.py:1: nowhere isn't declared"),
}


@pytest.mark.parametrize("files", TIDY.values(), ids=TIDY.keys())
def test_what_is_within_bounds_passes(tmp_path: Path, files: dict[str, str]):
    assert found(tmp_path, files) == []


@pytest.mark.parametrize(("files", "finding"), UNTIDY.values(), ids=UNTIDY.keys())
def test_what_is_out_of_bounds_is_named_with_its_line(tmp_path: Path, files: dict[str, str], finding: str):
    (only,) = found(tmp_path, files)
    assert finding in only


@pytest.mark.parametrize(("name", "status"), [("agentos/ring.py", 0), ("agentos/asking.py", 1)])
def test_the_exit_status_says_whether_there_was_a_finding(tmp_path: Path, name: str, status: int):
    command = [sys.executable, "-m", "scripts.ratchet", made(tmp_path, {name: ""})]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (status, status, "")


def test_the_checkouts_own_path_is_a_path_of_one_machine(tmp_path: Path):
    assert found(tmp_path, {"notes.txt": f"cd {tmp_path}"}) == ["notes.txt:1: a path of one machine"]


def test_ignored_files_are_nobodys_business(tmp_path: Path):
    assert found(tmp_path, {".gitignore": "scratch/\n", "scratch/a.py": "\n" * 401}) == []


def test_an_allowance_for_broad_excepts_that_is_not_used_up_is_lowered(tmp_path: Path):
    name = "agentos/runner/execution/execute.py"
    (only,) = found(tmp_path, {name: handler("Exception", "pass")})
    assert only == f"{name}:1: catches everything 1 times: lower its figure in ALLOWED"


def test_the_exceptions_of_other_rules_exist():
    assert [name for name in (*excepts.ALLOWED, *names.OLD_PATHS) if not (ROOT / name).exists()] == []
    stems = {path.stem.rpartition("_")[2] for path in ROOT.glob("agentos/**/*.py")}
    assert stems >= names.NOUNS
