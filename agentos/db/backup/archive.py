"""The custom format of `pg_dump`, as `pg_restore` prints it: SQL, with the rows of each table in a COPY."""

from __future__ import annotations

import re
import subprocess
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO, Final, Literal

from agentos.db import programs
from agentos.errors import ConfigurationError

DBOS: Final = "dbos"
"""The schema in which durable runs and queued work are recorded."""

Name = tuple[str, str]
"""Schema and name of a table."""
Counts = dict[Name, int]
"""The number of rows of each table."""

_IDENTIFIER: Final = rb'("(?:[^"]|"")+"|[^". ]+)'
_COPY: Final = re.compile(rb"COPY %b\.%b (?:\(.*\) )?FROM stdin;\n" % (_IDENTIFIER, _IDENTIFIER))
_SETVAL: Final = b"SELECT pg_catalog.setval("
# Commands of psql, and a setting that Postgres 15 and 16 don't know.
_FOREIGN: Final = (b"\\restrict ", b"\\unrestrict ", b"SET transaction_timeout ")


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of a table, or the state of a sequence, which has none."""

    statement: bytes
    table: Name | None
    """None for a sequence."""
    rows: Iterator[bytes]
    """Lines of COPY's text format. They must be read before the next block is."""


class Archive:
    """A file that `pg_dump --format=custom` has written.

    All methods raise ConfigurationError if the file is something else, is damaged, or was written by a newer
    `pg_dump` than the installed `pg_restore`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._program = programs.newest("pg_restore")

    def counts(self) -> Counts:
        """The number of rows of each table. This reads the whole file."""
        return {block.table: sum(1 for _ in block.rows) for block in self.blocks() if block.table is not None}

    def blocks(self, schema: str | None = None, table: str | None = None) -> Generator[Block]:
        """The contents: all, those of a schema, or those of one of its tables."""
        chosen = [f"--{kind}={name}" for kind, name in (("schema", schema), ("table", table)) if name]
        with self._lines("--section=data", *chosen) as lines:
            for line in lines:
                if match := _COPY.fullmatch(line):
                    rows = takewhile(lambda row: row != b"\\.\n", lines)
                    yield Block(line, (_unquoted(match[1]), _unquoted(match[2])), rows)
                    deque(rows, maxlen=0)
                elif line.startswith(_SETVAL):
                    yield Block(line, None, iter(()))

    def definitions(self, schema: str, section: Literal["pre-data", "post-data"]) -> bytes:
        """The SQL that creates what is in a schema, without the schema; empty if there is nothing.

        Tables are before their rows, indexes and constraints after them.
        """
        with self._lines(f"--section={section}", f"--schema={schema}") as lines:
            script = [line for line in lines if not line.startswith(_FOREIGN)]
        return b"".join(script) if any(line.startswith(b"-- Name: ") for line in script) else b""

    @contextmanager
    def _lines(self, *options: str) -> Generator[IO[bytes]]:
        file = str(self._file.absolute())
        command = [self._program.path, "--file=-", "--no-owner", "--no-privileges", *options, file]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            assert process.stdout is not None, "it is a pipe"
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise ConfigurationError(
                f"{str(self._file)!r} can't be read: it isn't an archive of pg_dump, it is damaged, or it "
                f"was written by a newer version than pg_restore {self._program.major}."
            )


def _unquoted(name: bytes) -> str:
    text = name.decode()
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
