"""The kinds of runnables: each is registered once, and the rest is derived from that.

A kind is more than its name where the outside world spells it: the wire's fields (`agent_id`), its paths
(`/agents/…`), its scopes (`agents:run`) and the names of its events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agentos.errors import ConfigurationError

Kind = str
"""The name of a registered kind: `agent`, `team`, `workflow`, or one of one's own."""

_NAME = re.compile(r"[a-z][a-z_]{0,30}")


@dataclass(frozen=True, slots=True)
class KindSpelling:
    """How a kind is spelled outside."""

    name: Kind
    event_prefix: str
    """Of its events' names: `Team` makes `RunStarted` into `TeamRunStarted`."""
    without_run: bool = False
    """Whether those names lose their `Run`: `WorkflowStarted`."""

    @property
    def family(self) -> str:
        """The first part of its paths and of its scopes: `agents`."""
        return f"{self.name}s"


_registered: dict[Kind, KindSpelling] = {}
KINDS: Final[Mapping[Kind, KindSpelling]] = MappingProxyType(_registered)
"""All kinds, in the order in which they were registered."""
_families: dict[str, Kind] = {}
FAMILIES: Final[Mapping[str, Kind]] = MappingProxyType(_families)
"""The kind of each family."""


def register(spelling: KindSpelling) -> KindSpelling:
    """Adds a kind, which may be there already; ConfigurationError if another one is like it."""
    name, prefix = spelling.name, spelling.event_prefix
    if _registered.get(name) == spelling:
        return spelling
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"The kind {name!r} must be 1 to 31 lower-case letters and underscores.")
    if name in _registered or any(prefix == other.event_prefix for other in _registered.values()):
        raise ConfigurationError(
            f"There is a kind {name!r}, or one whose events begin with {prefix!r}, already."
        )
    _registered[name] = spelling
    _families[spelling.family] = name
    return spelling


def spelling(kind: Kind) -> KindSpelling:
    """How a kind is spelled; ConfigurationError if nobody has registered it."""
    found = _registered.get(kind)
    if found is None:
        raise ConfigurationError(f"The kind {kind!r} isn't registered: call agentos.kinds.register.")
    return found


register(KindSpelling("agent", ""))
register(KindSpelling("team", "Team"))
register(KindSpelling("workflow", "Workflow", without_run=True))
