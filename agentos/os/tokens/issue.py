"""Creates and inspects tokens, for testing and scripts. `verify` checks the tokens of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from agentos.errors import ConfigurationError, InvalidInputError
from agentos.os.tokens.keys import Algorithm

if TYPE_CHECKING:
    from jwt.types import Options

_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """The contents of a token. Claims are trustworthy only if `verified`."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    verified: bool | None
    """Whether the signature matches the key; None without a key."""


def mint(
    sub: str,
    *,
    key: str,
    algorithm: str | None = None,
    scopes: Sequence[str] = (),
    audience: str | None = None,
    ttl: timedelta = timedelta(hours=1),
) -> str:
    """A signed token for `sub`, valid from now for `ttl`.

    `key` is a secret or an unencrypted private key in PEM. `algorithm` defaults to the usual one for the key.
    ConfigurationError if they don't match, or if a secret is shorter than its hash (RFC 7518 §3.2).
    """
    if ttl <= timedelta(0):
        raise ConfigurationError(f"ttl={ttl} is invalid: give more than 0 seconds.")
    usable = _usable(key)
    chosen = algorithm or next(iter(usable))
    if chosen not in usable:
        raise ConfigurationError(f"algorithm={chosen!r} doesn't go with this key: use {' or '.join(usable)}.")
    material = usable[chosen]
    if not isinstance(material, (bytes, *get_args(PrivateKeyTypes))):
        raise ConfigurationError("The signing key is a public one: give the private key.")
    now = datetime.now(UTC)
    claims: dict[str, Any] = {"sub": sub, "scopes": list(scopes), "iat": now, "exp": now + ttl}
    claims |= {"jti": uuid4().hex} | ({} if audience is None else {"aud": audience})
    try:
        return jwt.PyJWT({"enforce_minimum_key_length": True}).encode(claims, material, algorithm=chosen)
    except jwt.InvalidKeyError as error:
        raise ConfigurationError(
            f"The signing key is too short for {chosen}: make one with `agentos keys generate`."
        ) from error


def inspect(token: str, *, key: str | None = None) -> Inspection:
    """A token's header and claims. With a key (the secret or public key), its signature is verified too.

    InvalidInputError if it isn't a token.
    """
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, RecursionError) as error:
        raise InvalidInputError("This isn't a JSON web token.", field="token") from error
    return Inspection(parts["header"], parts["payload"], None if key is None else _is_signed(token, key))


def _is_signed(token: str, key: str) -> bool:
    usable = _usable(key)
    material = next(iter(usable.values()))
    try:
        jwt.decode(token, material, algorithms=list(usable), options=_SIGNATURE_ONLY)
    except jwt.InvalidTokenError:
        return False
    return True


def _usable(key: str) -> dict[str, Any]:
    """The algorithms for a secret or a PEM key, most common first, and the key in their format."""
    # A PEM from the environment often has its line breaks spelled out.
    text = key.replace("\\n", "\n") if "-----BEGIN" in key else key
    usable: dict[str, Any] = {}
    for name in get_args(Algorithm):
        try:
            usable[name] = jwt.get_algorithm_by_name(name).prepare_key(text)
        except (jwt.InvalidKeyError, UnsupportedAlgorithm, ValueError, TypeError):
            continue
    if not usable:
        raise ConfigurationError(
            "The key can't be read: give a secret, or an unencrypted RSA, EC or Ed key in PEM."
        )
    return usable
