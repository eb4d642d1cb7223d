"""Parses scope maps, `"METHOD /path": [scopes]`, into rules, and finds the rule for a request.

In a path, `{name}` and `*` match one segment, and a final `/*` matches one or more. Nothing else is special.
"""

from __future__ import annotations

import re
from collections.abc import Collection, ItemsView, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from agentos.errors import ConfigurationError
from agentos.os.policy import scopes

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "QUERY")
"""Methods in keys, besides `*` for any. HEAD and OPTIONS are checked as GET; CORS preflights pass."""

Segments = tuple[str, ...]
"""A path's segments; empty for the root."""

ScopeMap = Mapping[str, Sequence[str]]
"""A map as written by operators. All scopes of a list are required; `[]` accepts any valid token."""

_WILDCARD = re.compile(r"\*|\{[A-Za-z_][A-Za-z0-9_]*\}")
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\\]|//|/\.\.?(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class AsIf:
    """Instead of scopes: decide as for `method` on the path's first `depth` segments."""

    method: str
    depth: int


@dataclass(frozen=True, slots=True)
class AdminOnly:
    """Instead of scopes: reserved for holders of the admin scope, whatever its name."""


DefaultMap = Mapping[str, Sequence[str] | AsIf | AdminOnly]
"""A scope map with delegated and admin-only entries."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a scope map."""

    layer: str
    key: str
    """The key as written."""
    method: str
    segments: tuple[str | None, ...]
    """None matches any one segment."""
    is_open: bool
    """Whether the last segment matches one or more."""
    wanted: tuple[scopes.Scope, ...] = ()
    as_if: AsIf | None = None
    is_for_admins: bool = False
    rank: int = 0
    """Rank in its layer; 0 is the most specific."""

    @property
    def path_order(self) -> tuple[int, ...]:
        """Sort key: smaller for the more specific path.

        Segment by segment, a literal comes before a wildcard and one segment before many; then the longer
        path.
        """
        kinds = [int(segment is None) for segment in self.segments]
        if self.is_open:
            kinds[-1] = 2
        return (*kinds, 3)

    @property
    def order(self) -> tuple[tuple[int, ...], bool, tuple[str, ...], str]:
        """Sort key: smaller for the more specific rule. By path, then exact method; always unique."""
        texts = tuple(segment or "" for segment in self.segments)
        return self.path_order, self.method == "*", texts, self.method

    def matches(self, segments: Segments) -> bool:
        """Whether this rule's path matches `segments`."""
        mine = self.segments
        if len(segments) != len(mine) and not (self.is_open and len(segments) > len(mine)):
            return False
        for want, have in zip(mine, segments, strict=False):  # a loop takes half the time of all()
            if want is not None and want != have:
                return False
        return True


class Layer:
    """A compiled scope map. `name` identifies the origin of its rules.

    ConfigurationError, naming the parameter `setting`, for invalid entries.
    """

    def __init__(
        self, name: str, entries: DefaultMap, *, admin_scope: str = "", setting: str = "scope_mappings"
    ) -> None:
        try:
            rules = [_rule(name, key, value, admin_scope) for key, value in _items(entries)]
            ordered = list(_distinct(sorted(rules, key=lambda rule: rule.order)))
        except ConfigurationError as error:
            raise ConfigurationError(f"{setting}: {error}") from None
        self.rules = tuple(replace(rule, rank=rank) for rank, rule in enumerate(ordered))
        self._index = {method: _by_first_segment(self.rules, method) for method in (*METHODS, "*")}

    def find(self, method: str, segments: Segments) -> Rule | None:
        """The most specific rule that matches the request, if any."""
        by_first = self._index.get(method) or self._index["*"]
        for rule in by_first.get(segments[0] if segments else "") or by_first[None]:
            if rule.matches(segments):
                return rule
        return None


def split(path: str) -> Segments | None:
    """A request path's segments, ignoring one trailing slash.

    None for spellings that could reach a route or a file under a name that no rule matches: doubled slashes,
    dot segments, backslashes, control characters, lone surrogates.
    """
    if path in {"", "/"}:
        return ()
    if path[0] != "/" or _ODD.search(path):
        return None
    return tuple(path.removesuffix("/")[1:].split("/"))


def _items(entries: object) -> ItemsView[str, Sequence[str] | AsIf | AdminOnly]:
    if isinstance(entries, Mapping):
        keys = list(cast("Mapping[object, object]", entries))
        if all(isinstance(key, str) for key in keys):
            return cast("DefaultMap", entries).items()
    raise ConfigurationError("give a dict like {'GET /agents': ['agents:read']}.")


def _rule(layer: str, key: str, value: Sequence[str] | AsIf | AdminOnly, admin_scope: str) -> Rule:
    plain = Rule(layer, key, *_pattern(key))
    match value:
        case AsIf():
            return replace(plain, as_if=value)
        case AdminOnly():
            return replace(plain, wanted=(scopes.exact(admin_scope),), is_for_admins=True)
        case _:
            return replace(plain, wanted=_wanted(key, value))


def _pattern(key: str) -> tuple[str, tuple[str | None, ...], bool]:
    words = key.split()
    if len(words) != 2:
        raise ConfigurationError(f"the key {key!r} must be a method and a path: 'GET /agents'.")
    method, path = words[0].upper(), words[1]
    if method not in METHODS and method != "*":
        raise ConfigurationError(
            f"the key {key!r} begins with an unknown method: use one of {', '.join(METHODS)} or *"
            " (HEAD and OPTIONS are checked as GET, CORS preflights pass)."
        )
    parts = split(path)
    if parts is None:
        raise ConfigurationError(
            f"the path of the key {key!r} must begin with '/' and hold no doubled slash,"
            " dot segment or control character."
        )
    segments = tuple(None if _WILDCARD.fullmatch(part) else part for part in parts)
    if any(segment is not None and re.search(r"[*{}]", segment) for segment in segments):
        raise ConfigurationError(
            f"a wildcard of the key {key!r} isn't a whole segment: write '*' or '{{name}}' between slashes."
        )
    return method, segments, bool(parts) and parts[-1] == "*"


def _wanted(key: str, value: object) -> tuple[scopes.Scope, ...]:
    if isinstance(value, str) or not isinstance(value, Collection):
        raise ConfigurationError(f"the scopes of {key!r} must be a list of texts, not {value!r}.")
    return tuple(_scope(key, text) for text in dict.fromkeys(cast("Collection[object]", value)))


def _scope(key: str, text: object) -> scopes.Scope:
    try:
        return scopes.parse(text if isinstance(text, str) else "")
    except ValueError as error:
        raise ConfigurationError(f"nobody could hold the scope {text!r} of {key!r}: {error}.") from None


def _distinct(ordered: Sequence[Rule]) -> Iterator[Rule]:
    """Removes duplicates. Two rules for the same requests with different scopes are an error."""
    previous: Rule | None = None
    for rule in ordered:
        if previous is None or rule.order != previous.order:
            yield rule
        elif set(rule.wanted) != set(previous.wanted):
            raise ConfigurationError(
                f"the keys {previous.key!r} and {rule.key!r} match the same requests but require"
                " different scopes: keep one."
            )
        previous = rule


def _by_first_segment(rules: Sequence[Rule], method: str) -> dict[str | None, tuple[Rule, ...]]:
    """Rules for `method` by their first segment; None for those that match any other first segment."""
    fitting = [rule for rule in rules if rule.method in {method, "*"}]
    firsts = {rule.segments[0] if rule.segments else "" for rule in fitting}
    return {
        first: tuple(rule for rule in fitting if not rule.segments or rule.segments[0] in {first, None})
        for first in firsts | {None}
    }
