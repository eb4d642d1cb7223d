"""The event log of runs, and the notifications between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One entry of a run's event log. `text` is the JSON sent to clients, byte for byte."""

    seq: int
    name: str
    text: str
    is_restored: bool = False
    """Whether it wasn't logged, but made from the run's record."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification from another process, or from this one."""

    kind: Literal["connected", "events", "cancel", "queue"]
    """`connected`: listening has started or restarted, so notifications may have been missed. `queue`: a run
    became PENDING, a place became free, or a worker left."""
    run_ids: Sequence[str] = ()
    """The runs with new events, or the runs to cancel."""
