"""Loads the SQL files in this folder and inserts the configured table names.

A file contains statements, each after a line `-- name: …`, and fragments that statements share, each after a
line `-- fragment: …`. In a statement, `$name` stands for a fragment or a table; a fragment contains tables
only. Comment lines after the header are not sent to Postgres.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

from sqlalchemy import TextClause, bindparam, text

from agentos.db.schema.tables import Tables

Sort = Literal["name", "fragment"]

_HEAD: Final = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_SPACES: Final = re.compile(r"(?<=[(,])\s+|\s+(?=\))|(\s)\s*")
_COMMENT: Final = re.compile(r"^--.*\n", re.MULTILINE)


@lru_cache(maxsize=512)
def statement(tables: Tables, name: str, **types: Any) -> TextClause:
    """A statement. `types` are those of parameters that Postgres can't infer or Python can't convert.

    Read once for all databases that share their tables.
    """
    found = text(assembled(tables, name, escape=r"\:", dense=True))
    return found.bindparams(*(bindparam(parameter, type_=type_) for parameter, type_ in types.items()))


def assembled(tables: Tables, name: str, *, escape: str = ":", dense: bool = False) -> str:
    """The SQL of a statement. `escape` replaces a colon in a table name.

    `dense`: without spaces that Postgres doesn't need, since psycopg parses statements of more than 4096
    bytes anew each time. No literal of a statement may contain them.
    """
    found = {table: quoted.replace(":", escape) for table, quoted in tables.quoted().items()}
    template = Template(_read()["name"][name]).safe_substitute(_read()["fragment"])
    return Template(
        _SPACES.sub(lambda found: " " if found[1] else "", template).strip() if dense else template
    ).substitute(found)


def subjects() -> dict[str, list[str]]:
    """The names of all statements, by file."""
    found = {
        file.stem: [name for sort, name, _ in _parts(file.read_text()) if sort == "name"] for file in _files()
    }
    return {subject: names for subject, names in found.items() if names}


@cache
def _read() -> Mapping[Sort, Mapping[str, str]]:
    """All statements and all fragments, by name."""
    found: dict[Sort, dict[str, str]] = {"name": {}, "fragment": {}}
    for file in _files():
        for sort, name, body in _parts(file.read_text()):
            assert name not in found[sort], f"two statements are called {name}"
            found[sort][name] = body
    return found


def _files() -> list[Path]:
    return sorted(Path(__file__).parent.glob("*.sql"))


def _parts(source: str) -> Iterator[tuple[Sort, str, str]]:
    _, *parts = _HEAD.split(source)
    for sort, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield "name" if sort == "name" else "fragment", name, _COMMENT.sub("", body).strip()
