"""What is known about one request, from its gate to its route and back: what the audit is told of it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

_NOTE: Final = "agentos.audit_note"


@dataclass(slots=True)
class Note:
    """What is known so far about one request, from its gate to its route."""

    reason: str
    """What it was let pass for."""
    denial: str | None = None
    """The code of a refusal that came after that."""


def take_note(scope: MutableMapping[str, Any], reason: str) -> Note:
    """Begins the note of an ASGI request."""
    note = scope[_NOTE] = Note(reason)
    return note


def note_of(scope: Mapping[str, Any]) -> Note | None:
    """The note of an ASGI request, if one was begun."""
    note = scope.get(_NOTE)
    return note if isinstance(note, Note) else None


def note_denial(scope: Mapping[str, Any], code: str) -> None:
    """A route refuses the request, which was let pass."""
    note = note_of(scope)
    if note is not None:
        note.denial = code
