"""Tokens, good ones and forged ones, put together by hand: libraries refuse to make most of these."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from time import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://issuer.example"
AUDIENCE = "threatened-os"
KID = "current"

Sign = Callable[[bytes], bytes]

_KEY = rsa.generate_private_key(65537, 2048)
_STRANGERS = rsa.generate_private_key(65537, 2048)


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def pem(key: rsa.RSAPrivateKey = _KEY) -> bytes:
    """The public half."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def der() -> bytes:
    return _KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def jwk(key: rsa.RSAPrivateKey = _KEY, kid: str = KID) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes(256)
    return {"kty": "RSA", "kid": kid, "n": encoded(modulus), "e": "AQAB", "alg": "RS256", "use": "sig"}


STRANGERS_JWK = jwk(_STRANGERS, "strangers")
PUBLIC = pem()


def signed(data: bytes) -> bytes:
    """With the key that the server trusts."""
    return _KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())


def strangers(data: bytes) -> bytes:
    """With a key that nobody trusts."""
    return _STRANGERS.sign(data, padding.PKCS1v15(), hashes.SHA256())


def with_secret(secret: bytes, hash_: str = "sha256") -> Sign:
    return lambda data: hmac.digest(secret, data, hash_)


def claims(*scopes: str, **changed: Any) -> dict[str, Any]:
    """What a good token of ann's says, but for what is changed; `...` leaves a claim out."""
    payload = {
        "sub": "ann",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time()) + 6 * 3600,
        "scopes": list(scopes),
        **changed,
    }
    return {name: value for name, value in payload.items() if value is not ...}


def token(*scopes: str, **changed: Any) -> str:
    """One that the issuer signed."""
    return forged({}, claims(*scopes, **changed), signed)


def forged(header: dict[str, Any] | bytes, payload: Any, sign: Sign | None) -> str:
    """A token with this header, over the usual one, and this payload; bytes are taken as they are."""
    usual = {"alg": "RS256", "typ": "JWT", "kid": KID}
    head = header if isinstance(header, bytes) else _json({**usual, **header})
    body = payload if isinstance(payload, bytes) else _json(payload)
    signing = f"{encoded(head)}.{encoded(body)}"
    return f"{signing}.{encoded(sign(signing.encode())) if sign else ''}"


def _json(value: Any) -> bytes:
    given = (
        {name: each for name, each in value.items() if each is not ...} if isinstance(value, dict) else value
    )
    return json.dumps(given).encode()
