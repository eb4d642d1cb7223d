"""Writes two tables into docs/authorization.md from the code: the default scopes, and the parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path

from agentos.os.api_model import descriptions
from agentos.os.auth_settings import AuthorizationConfig, AuthSettings
from agentos.os.policy.default_scopes import PUBLIC_PATHS, default_scopes
from agentos.os.policy.rules import AdminOnly, AsIf

PAGE = Path(__file__).parents[1] / "docs" / "authorization.md"


def scopes() -> str:
    """Every route of the server with the scopes that it requires, in Markdown."""
    rows = [*default_scopes(["agents"]).items(), *((path, None) for path in PUBLIC_PATHS)]
    lines = [f"| `{key}` | {_asked(key, value)} |" for key, value in rows]
    return "\n".join(["| Request | Required scopes |", "|---|---|", *lines])


def parameters() -> str:
    """Every field of `AuthSettings` with its default, in Markdown."""
    told = descriptions(AuthSettings)
    own = {each.name: each.default for each in fields(AuthorizationConfig)}
    lines = [
        f"| `{each.name}` | {_default(each.default, own[each.name])} | {told[each.name]} |"
        for each in fields(AuthSettings)
    ]
    return "\n".join(["| Parameter | Default | What it does |", "|---|---|---|", *lines])


TABLES = {"default scopes": scopes, "parameters": parameters}


def written(page: str) -> str:
    """The page with the tables in their places."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: written by scripts/defaults.py -->", "<!-- end -->"
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text = f"{begin}\n\n{table()}\n\n{end}"
        page, count = place.subn(lambda _, text=text: text, page)
        assert count == 1, f"docs/authorization.md has no place for {name}"
    return page


def _asked(key: str, value: Sequence[str] | AsIf | AdminOnly | None) -> str:
    match value:
        case None:
            return "none; no token needed"
        case AdminOnly():
            return "the admin scope"
        case AsIf(method, depth):
            path = "/".join(key.split()[1].split("/")[: depth + 1])
            return f"same as `{method} {path}`"
        case _:
            return ", ".join(f"`{scope}`" for scope in value) or "any valid token"


def _default(value: object, configs: object) -> str:
    shown = f"`{value.value if isinstance(value, Enum) else value}`" if value is not None else ""
    return shown if value == configs else f"{shown}; `{configs}` in `AuthorizationConfig`"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
