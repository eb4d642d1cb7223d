"""Durations in options: 90s, 30m, 12h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from agentos.errors import ConfigurationError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse(text: str, option: str) -> timedelta:
    """Parses a duration. ConfigurationError, naming the option, if it is invalid."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        raise ConfigurationError(f"{option}={text!r} isn't a duration: give a number and s, m, h or d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
