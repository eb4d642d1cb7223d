"""Collects what the audit records about a request, from its gate to its route and back."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

_NOTE: Final = "agentos.audit_note"


@dataclass(slots=True)
class Note:
    """What is known so far about one request."""

    reason: str
    """What granted the request."""
    denial: str | None = None
    """The code of a later denial by a route."""


def take_note(scope: MutableMapping[str, Any], reason: str) -> Note:
    """Starts the note of an ASGI request."""
    note = scope[_NOTE] = Note(reason)
    return note


def note_of(scope: Mapping[str, Any]) -> Note | None:
    """The note of an ASGI request, or None."""
    note = scope.get(_NOTE)
    return note if isinstance(note, Note) else None


def note_denial(scope: Mapping[str, Any], code: str) -> None:
    """Records that a route denies a request which its gate had allowed."""
    note = note_of(scope)
    if note is not None:
        note.denial = code
