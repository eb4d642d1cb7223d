"""The kinds of runnables. Each is registered once; everything else is derived from that.

Outside of the code, a kind appears in field names (`agent_id`), paths (`/agents/…`), scopes (`agents:run`)
and event names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agentos.errors import ConfigurationError

Kind = str
"""The name of a registered kind: `agent`, `team`, `workflow`, or a custom one."""

_NAME = re.compile(r"[a-z][a-z_]{0,30}")


@dataclass(frozen=True, slots=True)
class KindSpelling:
    """The names derived from a kind."""

    name: Kind
    event_prefix: str
    """Prefix of its event names: `Team` turns `RunStarted` into `TeamRunStarted`."""
    without_run: bool = False
    """Whether `Run` is dropped from its event names: `WorkflowStarted`."""

    @property
    def family(self) -> str:
        """First segment of its paths and first part of its scopes: `agents`."""
        return f"{self.name}s"


_registered: dict[Kind, KindSpelling] = {}
KINDS: Final[Mapping[Kind, KindSpelling]] = MappingProxyType(_registered)
"""All kinds, in order of registration."""
_families: set[str] = set()
FAMILIES: Final[Set[str]] = _families
"""The families of all kinds."""


def register(spelling: KindSpelling) -> KindSpelling:
    """Registers a kind, also repeatedly. ConfigurationError if it conflicts with another one."""
    name, prefix = spelling.name, spelling.event_prefix
    if _registered.get(name) == spelling:
        return spelling
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"The kind {name!r} must be 1 to 31 lower-case letters and underscores.")
    if name in _registered or any(prefix == other.event_prefix for other in _registered.values()):
        raise ConfigurationError(
            f"A kind {name!r}, or one with the event prefix {prefix!r}, is already registered."
        )
    _registered[name] = spelling
    _families.add(spelling.family)
    return spelling


def spelling(kind: Kind) -> KindSpelling:
    """The names derived from a kind. ConfigurationError if it isn't registered."""
    found = _registered.get(kind)
    if found is None:
        raise ConfigurationError(f"The kind {kind!r} isn't registered: call agentos.kinds.register.")
    return found


LISTED: Final[tuple[Kind, ...]] = ("agent", "team", "workflow")
"""Kinds whose list a server answers even if it serves none of them."""

register(KindSpelling("agent", ""))
register(KindSpelling("team", "Team"))
register(KindSpelling("workflow", "Workflow", without_run=True))
