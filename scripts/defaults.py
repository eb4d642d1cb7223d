"""Writes the table of default scopes into docs/authorization.md, from the code that enforces them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from agentos.os.policy.default_scopes import DEFAULT_SCOPES, PUBLIC_PATHS
from agentos.os.policy.rules import AdminOnly, AsIf

PAGE = Path(__file__).parents[1] / "docs" / "authorization.md"
BEGIN, END = "<!-- Written by scripts/defaults.py -->", "<!-- End -->"


def table() -> str:
    """Every route of the server with the scopes that it asks for, in Markdown."""
    rows = [*DEFAULT_SCOPES.items(), *((path, None) for path in PUBLIC_PATHS)]
    lines = [f"| `{key}` | {_asked(key, value)} |" for key, value in rows]
    return "\n".join(["| Request | Asks for |", "|---|---|", *lines])


def written(page: str) -> str:
    """The page with the table in its place."""
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return place.sub(lambda _: f"{BEGIN}\n\n{table()}\n\n{END}", page)


def _asked(key: str, value: Sequence[str] | AsIf | AdminOnly | None) -> str:
    match value:
        case None:
            return "nothing"
        case AdminOnly():
            return "the admin scope"
        case AsIf(method, depth):
            path = "/".join(key.split()[1].split("/")[: depth + 1])
            return f"what `{method} {path}` asks for"
        case _:
            return ", ".join(f"`{scope}`" for scope in value) or "any valid token"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
