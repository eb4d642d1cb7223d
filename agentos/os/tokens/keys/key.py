"""One key that tokens are verified with, read from a setting or from a JWK (RFC 7517).

It is bound to the configured algorithms of its own family when it is read; a token's header never chooses
one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

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

LARGEST_RSA: Final = 16384
"""Bits; OpenSSL uses none that are larger."""

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


def pinned(algorithm: str | Sequence[str]) -> tuple[str, ...]:
    """The configured algorithms, checked."""
    names = (algorithm,) if isinstance(algorithm, str) else tuple(algorithm or ())
    if not names or not set(names) <= set(get_args(Algorithm)):
        raise ConfigurationError(
            f"algorithm={shown(names)} can't be used: choose among {', '.join(get_args(Algorithm))}."
        )
    return names


def from_setting(key: str | bytes | None, algorithms: Sequence[str], where: str, *, strict: bool) -> Key:
    """A secret, or a public key in PEM. ConfigurationError, naming `where`, if no algorithm can use it."""
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
        raise ConfigurationError(f"{where} doesn't go with algorithm={shown(algorithms)}: pass {needs}.")
    _check_strength(material, fitting, where, strict=strict)
    return Key(material, tuple(fitting))


def from_jwk(entry: Mapping[str, Any], algorithms: Sequence[str], where: str, *, strict: bool) -> Key | None:
    """None for a key that isn't for verifying, or not with these algorithms.

    ConfigurationError for one that must not be used: a private one, or one that is too weak.
    """
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
    _check_strength(material, fitting, f"A key of {where}", strict=strict)
    return Key(material, tuple(fitting), kid)


def _prepared(algorithm: str, key: Any) -> Any:
    material = jwt.get_algorithm_by_name(algorithm).prepare_key(key)
    if isinstance(material, get_args(PrivateKeyTypes)):
        raise ConfigurationError("A private key is among the verification keys: give its public half only.")
    return material


def _check_strength(material: Any, algorithms: Sequence[str], where: str, *, strict: bool) -> None:
    if isinstance(material, RSAPublicKey) and not 2048 <= material.key_size <= LARGEST_RSA:
        raise ConfigurationError(
            f"{where} is an RSA key of fewer than 2048 bits or more than {LARGEST_RSA}: make another one."
        )
    if not isinstance(material, bytes):
        return
    needed = max(int(name[2:]) // 8 for name in algorithms)
    if len(material) < needed:
        message = (
            f"{where} is shorter than the {needed} bytes that {shown(algorithms)} needs: make a longer one."
        )
        if strict:
            raise ConfigurationError(message)
        logger.warning(message)


def shown(algorithms: Sequence[str]) -> str:
    """As they were configured, for a message."""
    return repr(algorithms[0]) if len(algorithms) == 1 else repr(list(algorithms))
