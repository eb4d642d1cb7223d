"""Deprecated location of `Retention`, kept for one release."""

from __future__ import annotations

import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "Retention":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agentos.os import Retention

    warnings.warn(
        "agentos.os.housekeeping goes away in the next release: import Retention from agentos.os.",
        DeprecationWarning,
        stacklevel=2,
    )
    return Retention
