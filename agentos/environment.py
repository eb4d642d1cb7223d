"""Environment variables that have two names: `AGENTOS_…`, and one that existing deployments use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

ALIASES: Final[Mapping[str, str]] = {
    "AGENTOS_HOST": "AGENT_OS_HOST",
    "AGENTOS_PORT": "AGENT_OS_PORT",
    "AGENTOS_DB_URL": "DATABASE_URL",
    "AGENTOS_SECURITY_KEY": "OS_SECURITY_KEY",
    "AGENTOS_JWT_SIGNING_KEY": "JWT_SIGNING_KEY",
    "AGENTOS_JWT_VERIFICATION_KEY": "JWT_VERIFICATION_KEY",
    "AGENTOS_JWT_JWKS_FILE": "JWT_JWKS_FILE",
}
"""The second name of each variable, which counts only if the first isn't set."""


def names(variable: str) -> list[str]:
    """The variable and its second name."""
    return [variable, ALIASES[variable]]


def read(variable: str) -> str | None:
    """The value under the first name that has one. An empty value counts as none."""
    return next((value for name in names(variable) if (value := os.environ.get(name))), None)
