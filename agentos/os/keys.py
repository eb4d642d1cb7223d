"""The keys that tokens are verified with: static ones, and those of a JWKS file (RFC 7517).

A key is bound to the configured algorithms of its own family when it is read; a token's header never chooses
one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal, cast, get_args

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from agentos.errors import ConfigurationError

Algorithm = Literal[
    "HS256", "HS384", "HS512",
    "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512",
    "EdDSA",
]  # fmt: skip

COOL_DOWN: Final = 10.0
"""Seconds between two looks at a JWKS file for a key it didn't have."""

_NEEDS: Final = {
    "HS": "a secret of your own, not a PEM key or a JWK",
    "RS": "an RSA public key in PEM",
    "PS": "an RSA public key in PEM",
    "ES": "a public key in PEM on that algorithm's curve",
    "Ed": "an Ed25519 or Ed448 public key in PEM",
}
_UNFIT = (jwt.InvalidKeyError, UnsupportedAlgorithm, ValueError, TypeError, KeyError)

logger = logging.getLogger("agentos.auth")


@dataclass(frozen=True, slots=True)
class Key:
    """One key, parsed, and the only algorithms it may verify."""

    material: Any
    algorithms: tuple[str, ...]
    kid: str | None = None


class KeyRing:
    """Which keys to try for a token."""

    def __init__(self, static: Sequence[Key], jwks: JwksFile | None = None) -> None:
        self._static = tuple(static)
        self.jwks = jwks

    async def fitting(self, kid: str | None) -> tuple[Key, ...]:
        """The JWKS' key named `kid`, alone; else the one without a name and the static keys, in order.

        A `kid` that the JWKS doesn't have is looked up in the file again, after the cool-down.
        """
        if self.jwks is None:
            return self._static
        named = self.jwks.named(kid)
        if named is None and kid is not None:
            await self.jwks.refresh()
            named = self.jwks.named(kid)
        return (named,) if named is not None else (*self.jwks.nameless, *self._static)


class JwksFile:
    """The usable keys of a JWKS file. ConfigurationError if it has none."""

    def __init__(
        self,
        path: str | Path,
        algorithms: Sequence[str],
        *,
        strict: bool = False,
        cool_down: float = COOL_DOWN,
    ) -> None:
        self._path = Path(path)
        self._algorithms = algorithms
        self._strict = strict
        self._cool_down = cool_down
        self._not_before = 0.0
        self._keys = self._read()

    @property
    def nameless(self) -> tuple[Key, ...]:
        """Keys without a `kid`: for any token whose key isn't here by name."""
        return tuple(key for key in self._keys if key.kid is None)

    def named(self, kid: str | None) -> Key | None:
        """The key with this `kid`."""
        return None if kid is None else next((key for key in self._keys if key.kid == kid), None)

    async def refresh(self) -> None:
        """Reads the file again, unless that was a moment ago. A file that is broken now changes nothing."""
        if monotonic() < self._not_before:
            return
        self._not_before = monotonic() + self._cool_down
        try:
            self._keys = await asyncio.to_thread(self._read)
        except ConfigurationError:
            logger.warning("The JWKS file has no usable keys any more; those read before stay in use.")

    def _read(self) -> tuple[Key, ...]:
        try:
            entries = cast("list[dict[str, Any]]", json.loads(self._path.read_bytes())["keys"])
            keys = [_from_jwk(dict(entry), self._algorithms, strict=self._strict) for entry in entries]
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            raise ConfigurationError(
                "jwks_file (or JWT_JWKS_FILE) can't be read as a JWKS: name a JSON file like {'keys': [...]}."
            ) from None
        usable = tuple(key for key in keys if key is not None)
        if not usable:
            raise ConfigurationError(
                f"jwks_file (or JWT_JWKS_FILE) has no public key for algorithm={_shown(self._algorithms)}."
            )
        return usable


def pinned(algorithm: str | Sequence[str]) -> tuple[str, ...]:
    """The configured algorithms, checked."""
    names = (algorithm,) if isinstance(algorithm, str) else tuple(algorithm)
    if not names or not set(names) <= set(get_args(Algorithm)):
        raise ConfigurationError(
            f"algorithm={_shown(names)} can't be used: choose among {', '.join(get_args(Algorithm))}."
        )
    return names


def ring(
    verification_keys: Sequence[str | bytes] | None,
    jwks_file: str | Path | None,
    algorithms: Sequence[str],
    *,
    strict: bool = False,
) -> KeyRing:
    """Reads every key; `JWT_VERIFICATION_KEY` and `JWT_JWKS_FILE` stand in where neither is given.

    ConfigurationError if there is no key, or one can't be used with `algorithms`. A secret shorter than its
    hash (RFC 7518 §3.2) is a warning, or with `strict` an error too.
    """
    if isinstance(verification_keys, (str, bytes)):
        raise ConfigurationError("verification_keys must be a list: [key].")
    if not verification_keys and jwks_file is None:
        from_environment = os.environ.get("JWT_VERIFICATION_KEY")
        verification_keys = [from_environment] if from_environment else []
        jwks_file = os.environ.get("JWT_JWKS_FILE") or None
    keys = [
        _static(key, algorithms, f"verification_keys[{index}]", strict=strict)
        for index, key in enumerate(verification_keys or ())
    ]
    if not keys and jwks_file is None:
        raise ConfigurationError(
            "There is no key to verify tokens with: pass verification_keys or jwks_file,"
            " or set JWT_VERIFICATION_KEY or JWT_JWKS_FILE."
        )
    return KeyRing(keys, None if jwks_file is None else JwksFile(jwks_file, algorithms, strict=strict))


def _static(key: str | bytes | None, algorithms: Sequence[str], where: str, *, strict: bool) -> Key:
    if not key:
        raise ConfigurationError(f"{where} is empty: is the variable it comes from set?")
    text = key.decode(errors="replace") if isinstance(key, bytes) else key
    material: Any = None
    fitting: list[str] = []
    for name in algorithms:
        try:
            # A PEM from the environment often has its line breaks spelled out.
            material = _prepared(name, text.replace("\\n", "\n") if "-----BEGIN" in text else key)
        except _UNFIT:
            continue
        fitting.append(name)
    if not fitting:
        needs = " or ".join(dict.fromkeys(_NEEDS[name[:2]] for name in algorithms))
        raise ConfigurationError(f"{where} doesn't go with algorithm={_shown(algorithms)}: pass {needs}.")
    _check_strength(material, fitting, where, strict=strict)
    return Key(material, tuple(fitting))


def _from_jwk(entry: Mapping[str, Any], algorithms: Sequence[str], *, strict: bool) -> Key | None:
    """None for a key that isn't for verifying, or not with these algorithms."""
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    material: Any = None
    fitting: list[str] = []
    for name in algorithms:
        if entry.get("alg", name) != name:
            continue
        try:
            material = _prepared(name, jwt.get_algorithm_by_name(name).from_jwk(dict(entry)))
        except _UNFIT:
            continue
        fitting.append(name)
    kid = entry.get("kid")
    if not fitting or not isinstance(kid, str | None):
        return None
    _check_strength(material, fitting, "A key of jwks_file", strict=strict)
    return Key(material, tuple(fitting), kid)


def _prepared(algorithm: str, key: Any) -> Any:
    material = jwt.get_algorithm_by_name(algorithm).prepare_key(key)
    if isinstance(material, get_args(PrivateKeyTypes)):
        raise ConfigurationError("A private key is among the verification keys: give its public half only.")
    return material


def _check_strength(material: Any, algorithms: Sequence[str], where: str, *, strict: bool) -> None:
    if isinstance(material, RSAPublicKey) and material.key_size < 2048:
        raise ConfigurationError(f"{where} is an RSA key of fewer than 2048 bits: make a longer one.")
    if not isinstance(material, bytes):
        return
    needed = max(int(name[2:]) // 8 for name in algorithms)
    if len(material) < needed:
        message = (
            f"{where} is shorter than the {needed} bytes that {_shown(algorithms)} needs: make a longer one."
        )
        if strict:
            raise ConfigurationError(message)
        logger.warning(message)


def _shown(algorithms: Sequence[str]) -> str:
    return repr(algorithms[0]) if len(algorithms) == 1 else repr(list(algorithms))
