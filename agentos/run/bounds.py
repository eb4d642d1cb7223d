"""Sizes of values that somebody else decides.

JSON is checked before it is parsed. A parser holds the interpreter's lock until it ends, in whichever thread
it runs, and for `[],[],…` it needs a hundred times the memory of the text. The checks take a few nanoseconds
per byte.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from string import ascii_letters, digits
from typing import Final, cast

from pydantic import BaseModel

from agentos.errors import InvalidInputError, PayloadTooLargeError

MAX_DEPTH: Final = 100
"""Levels of nested objects and arrays in JSON."""
_BASE64: Final = (ascii_letters + digits + "+/-_=").encode()
_TO_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_LEAST_MEDIA: Final = 1024
"""Length of a Base64 string that counts as media."""
_LONGEST_TYPE: Final = 256
"""Length of a `data:` URL up to its comma."""
_PIECE: Final = 1024 * 1024
"""Bytes looked at in one go; then other threads may run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLimits:
    """Limits on one JSON text."""

    bytes: int = 1024 * 1024
    """Media aren't counted where they are allowed."""
    values: int = 100_000
    """Objects, arrays, strings, numbers and so on, at any depth."""
    depth: int = MAX_DEPTH

    def check(self, text: bytes, *, media: bool = False) -> None:
        """PayloadTooLargeError for a text that is too long; InvalidInputError for too many or deep values.

        It says nothing about whether the text is JSON. With `media`, strings of 1 KiB or more are media if
        they are Base64, alone or in a `data:` URL.
        """
        if b"\0" in text:  # as in UTF-16, whose bytes can't be counted like this
            raise InvalidInputError("JSON must be UTF-8")
        if len(text) <= min(self.bytes, self.values) and text.count(b"[") + text.count(b"{") <= self.depth:
            return
        if len(text) > self.bytes and not (media and self._has_few_marks(text)):
            raise self._too_long()
        unescaped = _without_escapes(text)
        parts = unescaped.split(b'"', 4 * self.values)
        if len(parts) > 4 * self.values:  # each value has at most a name and a text, of two quotes each
            raise self._too_many()
        if len(text) > self.bytes:
            size = len(text) - sum(len(string) for string in parts[1::2] if _is_media(string))
            if size > self.bytes:
                raise self._too_long()
        self._check_values(b'"'.join(parts[::2]).translate(None, b" \t\r\n"))

    def _check_values(self, marks: bytes) -> None:
        """Checks a text whose strings are each one quotation mark."""
        brackets = marks.translate(_TO_SQUARE, _NO_BRACKETS)
        empty = marks.count(b"[]") + marks.count(b"{}")
        if marks.count(b",") + brackets.count(b"[") - empty >= self.values:
            raise self._too_many()
        if brackets.count(b"[") != brackets.count(b"]"):
            raise InvalidInputError("This isn't JSON: its brackets don't match")
        depth = 0
        while b"[]" in brackets and depth <= self.depth:
            brackets, depth = brackets.replace(b"[]", b""), depth + 1
        if depth > self.depth:
            raise InvalidInputError(f"JSON may nest {self.depth} levels")

    def _has_few_marks(self, text: bytes) -> bool:
        """Whether quotes and backslashes alone aren't too many. Media may have some, as in `\\/`."""
        marks = 0
        for start in range(0, len(text), _PIECE):
            piece = text[start : start + _PIECE]
            marks += piece.count(b'"') + max(0, piece.count(b"\\") - len(piece) // 16)
            if marks > self.bytes:
                return False
        return True

    def _too_long(self) -> PayloadTooLargeError:
        return PayloadTooLargeError(f"The JSON is larger than {self.bytes} bytes, without media")

    def _too_many(self) -> InvalidInputError:
        return InvalidInputError(f"JSON may hold {self.values} values")


MAX_SIZE: Final = 10**9
"""More than storage takes of anything."""
JSON_LIMITS: Final = JsonLimits()


@dataclass(frozen=True, slots=True)
class _End:
    """What comes after the last item of a container."""

    container: int


def size(value: object, most: int) -> int:
    """About how many bytes the JSON of `value` has, or any number above `most`. Nothing is encoded.

    What contains itself is counted once, as `text.json_of` writes it.
    """
    total, waiting, above = 0, [value], set[int]()
    while waiting and total <= most:
        each = waiting.pop()
        match each:
            case str() as text:
                total += len(text) + 2
            case bytes() as content:
                total += len(content)
            case int() as number:
                total += number.bit_length() // 3 + 1
            case _End():
                above.discard(each.container)
            case _ if id(each) in above:
                total += 3
            case _:
                own, items = _contents(each)
                total += own
                if items:
                    above.add(id(each))
                    waiting.append(_End(id(each)))
                    waiting.extend(items)
    return total


def _contents(value: object) -> tuple[int, Collection[object]]:
    """Bytes of a container without its items, and the items; 8 bytes for what is none."""
    match value:
        case Mapping():
            entries = cast("Mapping[object, object]", value)
            # Copied at once: another thread may add an entry meanwhile.
            return 2 + sum(len(str(name)) + 4 for name in [*entries]), entries.values()
        case list() | tuple() | set() | frozenset():
            items = cast("Collection[object]", value)
            return 2 + len(items), items
        case BaseModel() as model:
            return 2, (model.__dict__,)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return 2, [getattr(value, field.name) for field in dataclass_fields(value)]
        case _:
            return 8, ()


def _without_escapes(text: bytes) -> bytes:
    """The text with a quotation mark only where a string begins or ends."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\/", b"/").replace(b"\\\\", b"").replace(b'\\"', b"")


def _is_media(string: bytes) -> bool:
    if len(string) < _LEAST_MEDIA:
        return False
    start = 0
    if string.startswith(b"data:"):
        start = string.find(b",", 0, _LONGEST_TYPE) + 1
    pieces = range(start, len(string), _PIECE)
    return not any(string[each : each + _PIECE].translate(None, _BASE64) for each in pieces)
