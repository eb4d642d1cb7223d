"""Finds mistakes in a scope map that its syntax permits, by comparing it with the app's routes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agentos.kinds import FAMILIES
from agentos.os.policy.default_scopes import PUBLIC_PATHS
from agentos.os.policy.matrix import NOTHING_HELD, Route, Row, deciding, rows
from agentos.os.policy.policy import ADMIN_SCOPE, Policy
from agentos.os.policy.rules import Rule, Segments, split

Code = Literal[
    "unmapped_route",  # a route that only admins reach, because no entry covers it
    "no_such_route",  # an entry that matches no route
    "never_decides",  # an entry before which others always come
    "run_apart",  # an entry that lets callers start a run and not follow it
    "misspelling",
    "admin_scope",  # an entry that wants it to no use, or an ordinary scope that looks like it
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding for the operator."""

    code: Code
    subject: str
    """The entry, the scope or the route."""
    message: str
    """What is wrong and how to fix it."""


def lint(policy: Policy, routes: Sequence[Route]) -> list[Finding]:
    """Entries without effect, routes without an entry, and likely mistakes."""
    if not policy.enforces:
        return []
    found = rows(policy, routes)
    return [
        *_unmapped(found),
        *_idle(policy, routes),
        *_runs_apart(policy, found),
        *_misspelt(policy),
        *_about_admins(policy),
    ]


def _unmapped(found: Sequence[Row]) -> Iterator[Finding]:
    for row in found:
        if row.decision.reason == "no_rule":
            route = f"{row.method} {row.path}"
            line = f'"{route}": ["resource:action"]'
            yield Finding(
                "unmapped_route", route, f"Only admins reach {route}: add {line} to scope_mappings."
            )


def _idle(policy: Policy, routes: Sequence[Route]) -> Iterator[Finding]:
    opened = [rule for rule in policy.public.rules if rule.key not in PUBLIC_PATHS]
    for rule in (*policy.layers[0].rules, *opened):
        found = deciding(policy, rule, routes)
        key = rule.key.removeprefix("* ") if rule.layer == "public" else rule.key
        if not found:
            yield Finding(
                "no_such_route", key, f"{key!r} matches no route of the app: correct it, or leave it out."
            )
        elif (rule.layer, rule.key) not in found:
            winners = ", ".join(sorted(repr(winner) for _, winner in found))
            yield Finding(
                "never_decides", key, f"{key!r} never takes effect: {winners} always decides. Remove it."
            )


def _runs_apart(policy: Policy, found: Sequence[Row]) -> Iterator[Finding]:
    """Entries that require more to follow a run than to start one."""
    seen: set[str] = set()
    for row in found:
        rule = _operators(policy, row)
        if rule is None or rule.key in seen or "runs" in rule.segments or not _follows(row):
            continue
        segments: Segments = split(row.path) or ("",)
        starting = policy.decide(NOTHING_HELD, "POST", f"/{'/'.join(segments[:3])}")
        more = [scope for scope in row.decision.wanted if scope not in starting.wanted]
        if more:
            seen.add(rule.key)
            line = f'"GET /{segments[0]}/*/runs/*": {list(starting.wanted)}'.replace("'", '"')
            yield Finding(
                "run_apart",
                rule.key,
                f"{rule.key!r} also covers following a run, so a caller who may start one needs"
                f" {', '.join(more)} as well to see its result: add {line} if that isn't intended.",
            )


def _follows(row: Row) -> bool:
    segments: Segments = split(row.path) or ()
    return row.method == "GET" and len(segments) > 3 and segments[0] in FAMILIES and segments[2] == "runs"


def _operators(policy: Policy, row: Row) -> Rule | None:
    """The operator's entry that decides about the row."""
    if row.decision.layer != "operator":
        return None
    return next(rule for rule in policy.layers[0].rules if rule.rank == row.decision.rank)


def _misspelt(policy: Policy) -> Iterator[Finding]:
    operators, defaults = (
        Counter(scope.text for rule in layer.rules for scope in rule.wanted) for layer in policy.layers
    )
    known = {*defaults, policy.admin_scope}
    accused: set[str] = set()
    for scope, count in sorted(operators.items()):
        if count > 1 or scope in known:
            continue
        for other in sorted({*known, *operators} - accused):
            if looks_like(scope, other):
                accused.add(scope)
                message = f"{scope!r} looks like a misspelling of {other!r}: correct it, or rename one."
                yield Finding("misspelling", scope, message)
                break


def _about_admins(policy: Policy) -> Iterator[Finding]:
    admin = policy.admin_scope
    for rule in policy.layers[0].rules:
        wanted = [scope.text for scope in rule.wanted]
        if admin in wanted and len(wanted) > 1:
            message = f"{rule.key!r} requires more than the admin scope {admin!r}, which is sufficient alone."
            yield Finding("admin_scope", rule.key, message)
        elif admin != ADMIN_SCOPE and ADMIN_SCOPE in wanted:
            message = (
                f"{rule.key!r} requires {ADMIN_SCOPE!r}, but the admin scope is admin_scope={admin!r}: "
                f"write {admin!r}, or leave admin_scope out."
            )
            yield Finding("admin_scope", rule.key, message)


_SHORTEST = 4
"""Minimum length of a part to count as misspelled; `get` and `set` are different words."""


def looks_like(scope: str, other: str) -> bool:
    """Whether the scopes differ by one typo: an extra, missing, wrong or swapped letter, case, or a mark.

    Ids and numbers are names, which may be similar on purpose.
    """
    mine, its = scope.split(":"), other.split(":")
    if scope == other or len(mine) != len(its) or mine[1:-1] != its[1:-1]:
        return False
    differing = [(one, two) for one, two in zip(mine, its, strict=True) if one != two]
    return len(differing) == 1 and _is_slip(*differing[0])


def _is_slip(one: str, two: str) -> bool:
    if _bare(one) == _bare(two):
        return True
    if max(len(one), len(two)) < _SHORTEST or _digits(one) != _digits(two):
        return False
    return _is_one_edit(one, two)


def _is_one_edit(one: str, two: str) -> bool:
    if len(one) > len(two):
        one, two = two, one
    start = next((i for i, letter in enumerate(one) if letter != two[i]), len(one))
    if len(one) < len(two):
        return one[start:] == two[start + 1 :]
    is_replaced = one[start + 1 :] == two[start + 1 :]
    is_swapped = (
        one[start : start + 2] == two[start : start + 2][::-1] and one[start + 2 :] == two[start + 2 :]
    )
    return is_replaced or is_swapped


def _bare(part: str) -> str:
    return "".join(letter for letter in part.casefold() if letter.isalnum())


def _digits(part: str) -> str:
    return "".join(letter for letter in part if letter.isdigit())
