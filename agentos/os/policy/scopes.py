"""The grammar of scopes: `resource:action`, `resource:<id>:action` and `resource:*:action`.

Parts are case-sensitive; an id may hold any character but a colon. Scopes of a family of runnables may name
one id, which is the second segment of its paths. Which scopes a route wants is left to the rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentos.kinds import FAMILIES

_WORD = re.compile(r"[^\s:*\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope that a rule wants."""

    text: str
    resource: str
    id: str | None
    """None: the scope is about every id."""
    action: str
    is_exact: bool = False
    """Met by itself alone, whatever it looks like."""

    def held_in(self, scopes: frozenset[str], segments: tuple[str, ...], *, is_ours: bool) -> str | None:
        """The scope among `scopes` that meets this one on the path `segments`, or None.

        Only a scope of the default vocabulary (`is_ours`) or of the path's own family has other spellings
        than its own: the one for all ids, and on `/<family>/<id>/…` the one for that id.
        """
        if self.text in scopes:
            return self.text
        is_of_path = bool(segments) and segments[0] == self.resource
        if self.is_exact or not (is_ours or is_of_path):
            return None
        if self.id is not None:
            return self._first_in(scopes, ("*", None))
        if is_of_path and len(segments) > 1 and self.resource in FAMILIES and ":" not in segments[1]:
            return self._first_in(scopes, ("*", segments[1]))
        return self._first_in(scopes, ("*",))

    def ids_in(self, scopes: frozenset[str]) -> frozenset[str]:
        """The ids for which `scopes` hold this scope, one by one."""
        start, end = f"{self.resource}:", f":{self.action}"
        return frozenset(
            text[len(start) : -len(end)]
            for text in scopes
            if text.count(":") == 2 and text.startswith(start) and text.endswith(end)
        ) - {"", "*"}

    def _first_in(self, scopes: frozenset[str], ids: tuple[str | None, ...]) -> str | None:
        for id_ in ids:
            middle = "" if id_ is None else f":{id_}"
            text = f"{self.resource}{middle}:{self.action}"
            if text in scopes:
                return text
        return None


def exact(text: str) -> Scope:
    """A scope of any form that has no other spelling."""
    return Scope(text, text, None, "", is_exact=True)


def parse(text: str) -> Scope:
    """Reads a scope that a rule wants; ValueError, without the text, if it could never be held."""
    match text.split(":"):
        case [resource, action] if _WORD.fullmatch(resource) and _WORD.fullmatch(action):
            return Scope(text, resource, None, action)
        case [resource, str(id_), action] if _WORD.fullmatch(resource) and _WORD.fullmatch(action) and id_:
            return Scope(text, resource, id_, action)
        case _:
            raise ValueError("a scope is 'resource:action', 'resource:<id>:action' or 'resource:*:action'")
