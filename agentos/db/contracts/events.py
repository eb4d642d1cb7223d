"""The event log of runs, and what processes tell one another about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One line of a run's event log: `text` is the wire's JSON, byte for byte."""

    seq: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Notification:
    """News from another process, or this one."""

    kind: Literal["connected", "events", "cancel", "queue"]
    """`connected`: listening has begun, or begun again, so anything may have been missed. `queue`: a run
    became PENDING, a place became free, or a worker left."""
    run_ids: Sequence[str] = ()
    """The runs with new events, or those to be cancelled."""
