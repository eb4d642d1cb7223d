"""Whether one scope looks like another, written wrongly."""

from __future__ import annotations

_SHORTEST = 4
"""Letters of a part from which on one that differs is a slip: `get` and `set` are words of their own."""


def looks_like(scope: str, other: str) -> bool:
    """Whether `scope` is `other` but for one slip: a letter more, less or another, two swapped, case, a mark.

    Ids and numbers are names, which may well be alike.
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
