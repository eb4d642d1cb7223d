"""A reader who follows a page from top to bottom: saves files, types commands, compares what they print.

A command that serves goes on in its terminal, and what follows is typed in another one. That has nothing of
the first but the folder: neither its variables nor its virtual environment.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout
from pathlib import Path
from runpy import run_path
from unittest.mock import patch

from tests.docs.readme import ROOT, Block, blocks, looks_like
from tests.flows.processes import environment, free_port, running

BIN = Path(sys.executable).parent
DATABASE = "postgresql+psycopg://ai:ai@localhost:5532/ai"
"""What the pages call their database: that of docker-compose.yml and of `agentos postgres`."""
PORT = "7777"
CLONE = "/path/to/agentos"
SERVES = re.compile(r"^(?:agentos (?:serve|worker)|\./scripts/demo)\b")
OUTPUT = {"text", "json"}


class Reader:
    """Follows one page in `folder`, with `database` in place of the database that it names."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database, self.port = folder, database, free_port()
        self._servers = ExitStack()
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self._base = environment(PATH=path, COLUMNS="88", CURL_HOME=str(folder))
        self._terminal = self._base
        self._first: dict[str, str] | None = None
        (folder / ".curlrc").write_text('silent\nshow-error\nmax-time = 60\nwrite-out = "\\n"\n')

    def follow(self, page: str) -> None:
        """Types every block. AssertionError at the first that doesn't print what the page shows."""
        typed = blocks(page)
        if "python3 -m venv" in page:
            self._base = self._terminal = self._bare_machine()
        with self._servers:
            for place, block in enumerate(typed):
                after = typed[place + 1] if place + 1 < len(typed) else None
                printed = self._typed(block, page)
                if after is not None and after.language in OUTPUT and not after.title and printed is not None:
                    assert looks_like(self._here(after.text), printed), f"{block.text}\nprinted\n\n{printed}"

    def _typed(self, block: Block, page: str) -> str | None:
        text = self._here(block.text)
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            is_named = re.search(rf"\b{re.escape(path.stem)}\b(?!\.py\")", page.replace(block.text, ""))
            return None if block.language != "python" or is_named else self._python(path)
        match block.language:
            case "python":
                path = self.folder / "snippet.py"
                path.write_text(text)
                return self._python(path)
            case "bash":
                return self._shell(text)
            case _:
                return None

    def _here(self, text: str) -> str:
        return text.replace(DATABASE, self.database).replace(PORT, str(self.port)).replace(CLONE, str(ROOT))

    def _shell(self, text: str) -> str | None:
        *before, last = text.strip().splitlines()
        if last == "agentos postgres":  # the tests have one
            self._terminal = self._base
            return None
        if SERVES.match(last):
            self._serve(before, last)
            return None
        if re.fullmatch(r"python \w+\.py", text.strip()):
            return self._python(self.folder / text.split()[1])
        return self._run(text)

    def _serve(self, before: list[str], command: str) -> None:
        """Stops the server before it, as the reader does with Ctrl-C, and starts this one in its terminal."""
        self._servers.close()
        if self._first is not None:
            self._terminal = self._first
        self._run("\n".join(before))
        if command.startswith("./scripts/demo"):
            self._demo()
            return
        arguments = shlex.split(command)
        if "--port" not in arguments and "worker" not in arguments:
            arguments += ["--port", str(self.port)]
        program = shutil.which(arguments[0], path=self._terminal["PATH"])
        assert program, f"{arguments[0]} isn't on the PATH of this terminal"
        server = running([program, *arguments[1:]], cwd=self.folder, env=self._terminal)
        self._servers.enter_context(server)
        self._first, self._terminal = self._terminal, self._base

    def _demo(self) -> None:
        """Starts what the script starts, and pastes the tokens that it prints into a second terminal."""
        data = tempfile.mkdtemp(prefix="agentos-reader-")
        self._servers.callback(shutil.rmtree, data, ignore_errors=True)
        command = [str(BIN / "agentos"), "demo", "--port", str(self.port), "--data-dir", data]
        server = running(command, cwd=self.folder, env=environment(), until=["/memories"])
        output = self._servers.enter_context(server).output
        self._first = self._terminal
        self._terminal = self._base | dict(re.findall(r'^export (\w+)="(\S+)"$', output, re.MULTILINE))

    def _run(self, text: str) -> str:
        """Types the lines; what they export stays in the terminal."""
        left = self.folder / ".environment"
        done = subprocess.run(
            ["bash", "-ec", f"{text}\nenv -0 > {shlex.quote(str(left))}"],
            cwd=self.folder,
            env=self._terminal,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        self._terminal = dict(line.split("=", 1) for line in left.read_text().split("\0") if line)
        return done.stdout

    def _python(self, path: Path) -> str:
        """What the program prints. Imports take most of its time, so it runs here if it leaves nothing."""
        if "PYTHONPATH" in self._base or any(
            "PostgresDb" in each.read_text() for each in self.folder.glob("*.py")
        ):
            return self._run(f"python {path.name}")
        printed = io.StringIO()
        with (
            patch.dict(os.environ, self._terminal, clear=True),
            chdir(self.folder),
            imports_from(self.folder),
            redirect_stdout(printed),
        ):
            run_path(str(path), run_name="__main__")
        return printed.getvalue()

    def _bare_machine(self) -> dict[str, str]:
        """A machine with Python only. What pip would download it finds in this environment."""
        programs = self.folder / ".programs"
        programs.mkdir()
        (programs / "python3").symlink_to(Path(sys.executable).resolve())
        others = [each for each in os.environ["PATH"].split(os.pathsep) if Path(each) != BIN]
        path = os.pathsep.join([str(programs), *others])
        offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        return {**self._base, **offline, "PATH": path, "PYTHONPATH": sysconfig.get_path("purelib")}


@contextmanager
def imports_from(folder: Path) -> Iterator[Mapping[str, object]]:
    """Lets programs import their neighbours, and forgets those afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield sys.modules
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(folder)):
                del sys.modules[name]
