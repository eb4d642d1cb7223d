"""The keys of a JWKS file, which may be replaced while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from agentos.errors import ConfigurationError
from agentos.os.auth_settings import shown
from agentos.os.tokens.keys.key import Key, from_jwk
from agentos.os.tokens.keys.key_set import JwksError, KeySet
from agentos.os.tokens.keys.refresh import COOL_DOWN, ChangingKeys

MAX_AGE: Final = 300.0
"""Seconds until a file is read again."""


def jwks_file(
    path: str | Path, algorithms: Sequence[str], *, strict: bool = False, cool_down: float = COOL_DOWN
) -> ChangingKeys:
    """The usable keys of a file. ConfigurationError if it has none now; what it becomes later is logged."""
    path = Path(path)

    def usable(entry: Mapping[str, Any]) -> Key | None:
        return from_jwk(entry, algorithms, "jwks_file", strict=strict)

    def read() -> KeySet:
        try:
            return KeySet.parse(path.read_bytes(), usable, max_age=MAX_AGE)
        except (OSError, ValueError):  # a name may be one that no file could have
            raise JwksError("the JWKS file can't be read") from None

    def read_again() -> KeySet:
        try:
            return read()
        except ConfigurationError as error:
            raise JwksError(str(error).removesuffix(".")) from None

    async def in_thread() -> KeySet:
        return await asyncio.to_thread(read_again)

    try:
        first = read()
    except JwksError as error:
        raise ConfigurationError(
            f"jwks_file (or JWT_JWKS_FILE) can't be used with algorithm={shown(algorithms)}: {error}."
            " Name a JSON file like {'keys': [...]} that holds the public keys."
        ) from None
    return ChangingKeys(in_thread, first=first, cool_down=cool_down)
