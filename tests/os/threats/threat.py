"""What a threat is, and what it takes to be safe from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from tests.os.threats.world import World

Attempt = Callable[[World], bool]
"""Tries something, and tells whether it worked."""
Weakness = Callable[[pytest.MonkeyPatch], None]
"""Takes one protection out of the running server."""


@dataclass(frozen=True)
class Threat:
    """An attack, the same thing done rightfully, and the mistake that would let the attack through."""

    name: str
    attack: Attempt
    twin: Attempt
    weakness: Weakness


def every(threats: Iterable[Threat]) -> pytest.MarkDecorator:
    """One test for each."""
    found = list(threats)
    return pytest.mark.parametrize("threat", found, ids=[threat.name for threat in found])


def stands(world: World, threat: Threat) -> None:
    """The attack fails, its twin works; and without the protection the attack works, so this can fail."""
    assert not threat.attack(world), f"{threat.name} got through"
    assert threat.twin(world), f"what is allowed beside {threat.name} doesn't work"
    with pytest.MonkeyPatch.context() as patch:
        threat.weakness(patch)
        assert threat.attack(world), f"nothing shows that {threat.name} could ever get through"
