"""All keys of a server, and which of them to try for a token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from agentos import environment
from agentos.errors import ConfigurationError
from agentos.os.auth_settings import pinned, shown
from agentos.os.tokens.keys.key import Key, from_jwk, from_setting
from agentos.os.tokens.keys.key_set import JwksError, KeySet
from agentos.os.tokens.keys.refresh import COOL_DOWN, ChangingKeys, KeysUnavailableError


class KeyRing:
    """Configured keys, and keys that are refreshed."""

    def __init__(self, static: Sequence[Key], jwks: ChangingKeys | None = None) -> None:
        self._static = tuple(static)
        self.jwks = jwks

    def open(self) -> AbstractAsyncContextManager[None]:
        """Must be entered while requests are served; on exit, fetching stops."""
        return nullcontext() if self.jwks is None else self.jwks.open()

    async def fitting(self, kid: str | None) -> tuple[Key, ...]:
        """The JWKS key named `kid`, alone; otherwise keys without a name and the static keys, in order."""
        if self.jwks is None:
            return self._static
        found = await self.jwks.for_token(kid)
        return found if found and found[0].kid is not None else (*found, *self._static)

    def check(self) -> None:
        """KeysUnavailableError if no key fits the token but its key may not have been fetched yet."""
        if self.jwks is not None and self.jwks.are_missing:
            raise KeysUnavailableError(self.jwks.retry_after)


def ring(
    verification_keys: Sequence[str | bytes] | None,
    jwks_file: str | Path | None,
    algorithm: str | Sequence[str],
    *,
    jwks_url: str | None = None,
    issuer: str | None = None,
    strict: bool = False,
) -> KeyRing:
    """Reads every key. `AGENTOS_JWT_VERIFICATION_KEY` and `AGENTOS_JWT_JWKS_FILE` are the defaults.

    Without any of these, the keys are those of `issuer`, if it is a URL. They, and those of `jwks_url`, are
    fetched when needed. ConfigurationError if there is no key, or one can't be used with `algorithm`. A
    secret shorter than its hash (RFC 7518 §3.2) causes a warning, or with `strict` an error.
    """
    algorithms = pinned(algorithm)
    if isinstance(verification_keys, (str, bytes)):
        raise ConfigurationError("verification_keys must be a list: [key].")
    if jwks_file is not None and jwks_url is not None:
        raise ConfigurationError("jwks_file and jwks_url are two places for the same keys: leave one out.")
    if not verification_keys and jwks_file is None and jwks_url is None:
        from_environment = environment.read("AGENTOS_JWT_VERIFICATION_KEY")
        verification_keys = [from_environment] if from_environment else []
        jwks_file = environment.read("AGENTOS_JWT_JWKS_FILE")
    static = [
        from_setting(key, algorithms, f"verification_keys[{index}]", strict=strict)
        for index, key in enumerate(verification_keys or ())
    ]
    if jwks_file is not None:
        return KeyRing(static, file_keys(jwks_file, algorithms, strict=strict))
    fetched = _fetched(jwks_url, None if static else issuer, algorithms)
    if not static and fetched is None:
        raise ConfigurationError(
            "No key to verify tokens: pass verification_keys, jwks_file, jwks_url or an issuer"
            " whose https:// address leads to its keys, or set AGENTOS_JWT_VERIFICATION_KEY or "
            "AGENTOS_JWT_JWKS_FILE. `agentos keys generate` makes a pair of keys."
        )
    return KeyRing(static, fetched)


def _fetched(jwks_url: str | None, issuer: str | None, algorithms: Sequence[str]) -> ChangingKeys | None:
    if jwks_url is None and issuer is None:
        return None
    # The HTTP client is slow to import.
    from agentos.os.tokens.keys import remote

    if jwks_url is not None:
        return remote.jwks_url(jwks_url, algorithms)
    return remote.discovered(issuer, algorithms) if issuer and remote.is_address(issuer) else None


MAX_AGE: Final = 300.0
"""Seconds until a file is read again."""


def file_keys(
    path: str | Path, algorithms: Sequence[str], *, strict: bool = False, cool_down: float = COOL_DOWN
) -> ChangingKeys:
    """The usable keys of a file. ConfigurationError if it has none at start-up; later problems are logged."""
    path = Path(path)

    def usable(entry: Mapping[str, Any]) -> Key | None:
        return from_jwk(entry, algorithms, "jwks_file", strict=strict)

    def read() -> KeySet:
        try:
            document = path.read_bytes()
        except (OSError, ValueError):  # a name may be one that no file could have
            raise JwksError("the JWKS file can't be read") from None
        return KeySet.parse(document, usable, max_age=MAX_AGE)

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
            f"jwks_file (or AGENTOS_JWT_JWKS_FILE) can't be used with algorithm={shown(algorithms)}: {error}."
            " Name a JSON file like {'keys': [...]} that holds the public keys."
        ) from None
    return ChangingKeys(in_thread, first=first, cool_down=cool_down)
