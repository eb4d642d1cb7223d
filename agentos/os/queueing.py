"""Deprecated location of `QueueConfig`, kept for one release."""

from __future__ import annotations

import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "QueueConfig":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agentos.os import QueueConfig

    warnings.warn(
        "agentos.os.queueing goes away in the next release: import QueueConfig from agentos.os.",
        DeprecationWarning,
        stacklevel=2,
    )
    return QueueConfig
