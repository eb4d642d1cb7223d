"""A key that verifies tokens, read from a setting or a JWK (RFC 7517).

It is bound to the configured algorithms of its own family when it is read, so a token's header can't choose
the algorithm.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, get_args

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import HMACAlgorithm

from agentos.errors import ConfigurationError
from agentos.os.auth_settings import shown

LARGEST_RSA: Final = 16384
"""Bits; OpenSSL doesn't support larger keys."""

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
    """A key, with the only algorithms that it may verify."""

    material: tuple[jwt.PyJWK, ...]
    """The key in PyJWT's format, for each of `algorithms`."""
    algorithms: tuple[str, ...]
    kid: str | None = None


@contextmanager
def _skipping_unfit() -> Generator[None]:
    """Passes over a key that doesn't fit an algorithm, but not over one that must not be used."""
    try:
        yield
    except ConfigurationError:
        raise
    except _UNFIT:
        pass


def from_setting(key: str | bytes | None, algorithms: Sequence[str], where: str, *, strict: bool) -> Key:
    """A secret, or a public key in PEM. ConfigurationError, naming `where`, if no algorithm accepts it."""
    if not key:
        raise ConfigurationError(f"{where} is empty: is the variable it comes from set?")
    text = key.decode(errors="replace") if isinstance(key, bytes) else key
    # A PEM from the environment often has its line breaks spelled out.
    given = text.replace("\\n", "\n") if "-----BEGIN" in text else key
    fitting: dict[str, jwt.PyJWK] = {}
    for name in algorithms:
        with _skipping_unfit():
            material = _public(jwt.get_algorithm_by_name(name).prepare_key(given))
            fitting[name] = _parsed(jwt.get_algorithm_by_name(name).to_jwk(material, as_dict=True), name)
    if not fitting:
        needs = " or ".join(dict.fromkeys(_NEEDS[name[:2]] for name in algorithms))
        raise ConfigurationError(f"{where} doesn't go with algorithm={shown(algorithms)}: pass {needs}.")
    return _key(fitting, where, strict=strict)


def from_jwk(entry: Mapping[str, Any], algorithms: Sequence[str], where: str, *, strict: bool) -> Key | None:
    """Reads a JWK; None if it isn't for verification, or not with these algorithms.

    ConfigurationError for a key that must not be used: private or too weak.
    """
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    fitting: dict[str, jwt.PyJWK] = {}
    for name in algorithms:
        if entry.get("alg", name) == name:
            with _skipping_unfit():
                fitting[name] = _parsed(dict(entry), name)
    kid = entry.get("kid")
    if not fitting or not isinstance(kid, str | None):
        return None
    return _key(fitting, f"A key of {where}", strict=strict, kid=kid)


class _CheckedSecret(HMACAlgorithm):
    """Skips PyJWT's check of the secret, which was done at start-up and costs more than the signature."""

    def prepare_key(self, key: Any) -> bytes:
        return key

    def check_key_length(self, key: bytes) -> str | None:
        return None


def _parsed(entry: dict[str, Any], algorithm: str) -> jwt.PyJWK:
    """A JWK prepared for one algorithm; raises one of `_UNFIT` if it doesn't fit."""
    parsed = jwt.PyJWK(entry, algorithm)
    _public(parsed.Algorithm.prepare_key(parsed.key))
    if isinstance(parsed.Algorithm, HMACAlgorithm):
        parsed.Algorithm = _CheckedSecret(parsed.Algorithm.hash_alg)
    return parsed


def _public(material: Any) -> Any:
    if isinstance(material, get_args(PrivateKeyTypes)):
        raise ConfigurationError("A private key is among the verification keys: give its public half only.")
    return material


def _key(parsed: Mapping[str, jwt.PyJWK], where: str, *, strict: bool, kid: str | None = None) -> Key:
    material = tuple(parsed.values())  # which differ in their algorithms only
    _check_strength(material[0].key, list(parsed), where, strict=strict)
    return Key(material, tuple(parsed), kid)


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
