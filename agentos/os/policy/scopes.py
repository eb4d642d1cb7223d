"""The syntax of scopes: `resource:action`, `resource:<id>:action` and `resource:*:action`.

Parts are case-sensitive; an id may contain any character except a colon. Scopes of a family of runnables may
name one id, which is the second segment of its paths. Rules define which scopes a route requires.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agentos.kinds import FAMILIES

OLD_WORDS: Final = {"config:read": "system:read"}
"""Scopes of earlier clients' tokens that still satisfy a default scope."""

_WORD = re.compile(r"[^\s:*\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope required by a rule."""

    text: str
    resource: str
    id: str | None
    """None if the scope applies to every id."""
    action: str
    is_exact: bool = False
    """Whether only the identical scope satisfies it."""

    def held_in(self, scopes: frozenset[str], segments: tuple[str, ...], *, is_ours: bool) -> str | None:
        """The scope among `scopes` that satisfies this one on the path `segments`, or None.

        Only a scope of the default vocabulary (`is_ours`) or of the path's own family has alternatives: the
        scope for all ids, and on `/<family>/<id>/…` the scope for that id.
        """
        if self.text in scopes:
            return self.text
        if is_ours and (old := OLD_WORDS.get(self.text)) in scopes:
            return old
        is_of_path = bool(segments) and segments[0] == self.resource
        if self.is_exact or not (is_ours or is_of_path):
            return None
        if self.id is not None:
            return self._first_in(scopes, ("*", None))
        if is_of_path and len(segments) > 1 and self.resource in FAMILIES and ":" not in segments[1]:
            return self._first_in(scopes, ("*", segments[1]))
        return self._first_in(scopes, ("*",))

    def ids_in(self, scopes: frozenset[str]) -> frozenset[str]:
        """The single ids for which `scopes` contain this scope."""
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
    """A scope of any form without alternatives."""
    return Scope(text, text, None, "", is_exact=True)


def parse(text: str) -> Scope:
    """Parses a scope of a rule. ValueError, without the text, if it is invalid."""
    match text.split(":"):
        case [resource, action] if _WORD.fullmatch(resource) and _WORD.fullmatch(action):
            return Scope(text, resource, None, action)
        case [resource, str(id_), action] if _WORD.fullmatch(resource) and _WORD.fullmatch(action) and id_:
            return Scope(text, resource, id_, action)
        case _:
            raise ValueError("a scope is 'resource:action', 'resource:<id>:action' or 'resource:*:action'")
