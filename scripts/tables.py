"""Writes the tables in docs/ that are made from the code: scopes, parameters, events and error codes.

python -m scripts.tables
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, get_args

from pydantic import BaseModel

import agentos
from agentos.errors import AgentOSError, ConfigurationError
from agentos.os.api_model import descriptions
from agentos.os.auth_settings import AuthorizationConfig, AuthSettings
from agentos.os.http.problems import STATUS
from agentos.os.policy.default_scopes import PUBLIC_PATHS, default_scopes
from agentos.os.policy.rules import AdminOnly, AsIf
from agentos.os.principal import AccessDeniedError
from agentos.os.tokens.claims import TokenError
from agentos.run.events import RunEvent
from agentos.run.messages import ToolExecution

DOCS = Path(__file__).parents[1] / "docs"

_TOLD: Mapping[str, tuple[type[AgentOSError], str]] = {
    "invalid_token": (TokenError, "The token can't be read, or no key has signed it."),
    "missing_scope": (AccessDeniedError, "Insufficient permissions. Required scope(s): …"),
    "missing_token": (TokenError, "The request has no token."),
    "no_identity": (AccessDeniedError, "The route needs a user, and the token names none."),
    "no_rule": (AccessDeniedError, "No rule of the scope map covers the route."),
    "own_approval": (AccessDeniedError, "Someone else must approve what the caller requested."),
}
"""Codes whose text isn't a literal where they are raised."""


def scopes() -> str:
    """Every route of the server with the scopes that it requires."""
    rows = [*default_scopes(["agents"]).items(), *((path, None) for path in PUBLIC_PATHS)]
    return _table(("Request", "Required scopes"), ((f"`{key}`", _asked(key, value)) for key, value in rows))


def parameters() -> str:
    """Every field of `AuthSettings` with its default."""
    told = descriptions(AuthSettings)
    own = {each.name: each.default for each in fields(AuthorizationConfig)}
    return _table(
        ("Parameter", "Default", "What it does"),
        (
            (f"`{each.name}`", _default(each.default, own[each.name]), told[each.name])
            for each in fields(AuthSettings)
        ),
    )


def events() -> str:
    """Every event of a run, with the fields that it adds to those of all events."""
    kinds: Sequence[type[BaseModel]] = get_args(RunEvent)
    return _table(
        ("Event", "Meaning", "Fields"),
        (
            (f"`{kind.__name__}`", _summary(kind), "<br>".join(_fields(kind, besides={"event"})))
            for kind in kinds
        ),
    )


def tool_calls() -> str:
    """Every field of a tool call, as events and runs show it."""
    told = descriptions(ToolExecution)
    return _table(
        ("Field", "Type", "Meaning"),
        (
            (*_field(each), told.get(each[0], ""))
            for each in ToolExecution.model_fields.items()
            if not each[1].exclude
        ),
    )


def codes() -> str:
    """Every code that belongs to a class of errors, with its HTTP status."""
    return _table(
        ("Code", "Where", "Error", "Meaning"),
        (
            (f"`{code}`", _status(kind), f"`{kind.__name__}`", _summary(kind))
            for code, kind in sorted(_by_code().items())
        ),
    )


def single_codes() -> str:
    """Every code that is given to an error when it is raised, with the text of one place that raises it."""
    classes = {each.__name__: each for each in _errors()}
    found = dict(_TOLD)
    for code, name, text in _raised(classes):
        if code not in _by_code():
            found.setdefault(code, (classes[name], text))
    return _table(
        ("Code", "Where", "Error", "Text, for example"),
        (
            (f"`{code}`", _status(kind), f"`{kind.__name__}`", text)
            for code, (kind, text) in sorted(found.items())
        ),
    )


PAGES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "authorization.md": {"default scopes": scopes, "parameters": parameters},
    "errors.md": {"codes of classes": codes, "other codes": single_codes},
    "events.md": {"events": events, "tool calls": tool_calls},
}


def written(page: str, text: str) -> str:
    """The text of a page with its tables in their places."""
    for name, table in PAGES[page].items():
        begin, end = f"<!-- {name}: written by scripts/tables.py -->", "<!-- end -->"
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        made = f"{begin}\n\n{table()}\n\n{end}"
        text, count = place.subn(lambda _, made=made: made, text)
        assert count == 1, f"docs/{page} has no place for {name}"
    return text


def main() -> None:
    """Rewrites the pages."""
    for page in PAGES:
        path = DOCS / page
        path.write_text(written(page, path.read_text()))


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    first, *rest = (f"| {' | '.join(row)} |" for row in (head, *rows))
    return "\n".join([first, "|---" * len(head) + "|", *rest])


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


def _summary(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def _fields(kind: type[BaseModel], *, besides: set[str]) -> Iterator[str]:
    told = descriptions(kind)
    shared = {name for base in kind.__mro__[1:] for name in getattr(base, "model_fields", {})}
    for each in kind.model_fields.items():
        if each[0] not in shared | besides:
            shown, type_ = _field(each)
            yield f"{shown}: {type_}{f'. {told[each[0]]}' if each[0] in told else ''}"


def _field(item: tuple[str, Any]) -> tuple[str, str]:
    name, field = item
    hint = field.annotation
    shown = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return f"`{name}`", f"`{re.sub(r'(?:[a-z_]+[.])+', '', shown)}`".replace("|", "\\|")


def _errors() -> list[type[AgentOSError]]:
    """Every class of errors in the package."""
    for module in walk_packages(agentos.__path__, "agentos."):
        if not module.name.startswith("agentos.db.migrations"):
            import_module(module.name)
    found, waiting = list[type[AgentOSError]](), [AgentOSError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return [each for each in found if each.__module__.startswith("agentos.")]


def _by_code() -> dict[str, type[AgentOSError]]:
    """The class that each code belongs to."""
    return {each.code: each for each in _errors() if "code" in vars(each)}


def _status(kind: type[AgentOSError]) -> str:
    """Where the error appears: the status of a response, a failed run, or start-up."""
    if kind in (AgentOSError, ConfigurationError):
        return {AgentOSError: "500, run", ConfigurationError: "start-up"}[kind]
    return next((str(STATUS[each]) for each in kind.__mro__ if each in STATUS), "run")


def _raised(classes: Mapping[str, type[AgentOSError]]) -> Iterator[tuple[str, str, str]]:
    """Code, class and text of each call of a class of errors with a code."""
    for path in sorted(Path(agentos.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name), args=args) if name in classes:
                    for keyword in node.keywords:
                        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                            yield str(keyword.value.value), name, _text(args[0] if args else None)
                case _:
                    pass


def _text(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case _:
            return "…"


if __name__ == "__main__":
    main()
