"""From the text of a token to its principal: first the signature (RFC 7515), then the claims."""

from __future__ import annotations

import json
from hashlib import sha256
from time import time
from typing import Any, Final, cast, get_args

import jwt
from jwt.algorithms import HMACAlgorithm

from agentos.os.principal import Principal
from agentos.os.tokens.claims import Expected, TokenError, read
from agentos.os.tokens.keys import Algorithm, Key, KeyRing

LONGEST_TOKEN: Final = 16 * 1024
"""Characters; longer tokens are refused unread."""


class Verifier:
    """Checks tokens against keys and expectations; nothing of a refused one is repeated or logged."""

    def __init__(self, keys: KeyRing, expected: Expected) -> None:
        self._keys = keys
        self._expected = expected
        self._jws = jwt.PyJWS(algorithms=[])
        for name in get_args(Algorithm):
            algorithm = jwt.get_algorithm_by_name(name)
            if isinstance(algorithm, HMACAlgorithm):
                algorithm = _CheckedSecret(algorithm.hash_alg)
            self._jws.register_algorithm(name, algorithm)

    async def verify(self, token: str) -> Principal:
        """The principal that the token proves.

        TokenError if it proves none, KeysUnavailableError if that can't be known yet.
        """
        token_hash = sha256(token.encode(errors="replace")).hexdigest()
        try:
            claims = await self._claims(token)
            return read(claims, self._expected, now=time(), token_hash=token_hash)
        except TokenError as error:
            error.token_ref = token_hash[:12]
            raise

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise TokenError("Invalid token: longer than 16 KiB")
        try:
            kid = None if self._keys.jwks is None else self._jws.get_unverified_header(token).get("kid")
            claims: Any = json.loads(await self._payload(token, kid))
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenError("Invalid token: malformed") from None
        if not isinstance(claims, dict):
            raise TokenError("Invalid token: malformed")
        return cast("dict[str, Any]", claims)

    async def _payload(self, token: str, kid: str | None) -> bytes:
        keys = await self._keys.fitting(kid)
        try:
            return self._opened(token, keys)
        except TokenError:
            self._keys.check()
            raise

    def _opened(self, token: str, keys: tuple[Key, ...]) -> bytes:
        """The payload that one of `keys` signed."""
        reason = "no key fits"
        for key in keys:
            try:
                opened = self._jws.decode_complete(token, key.material, key.algorithms)
            except jwt.InvalidAlgorithmError:
                if reason == "no key fits":
                    reason = "The specified alg value is not allowed"
            except jwt.InvalidSignatureError:
                reason = "Signature verification failed"
            else:
                if "crit" in opened["header"]:
                    raise TokenError("Invalid token: malformed")
                return opened["payload"]
        raise TokenError(f"Invalid token: {reason}")


class _CheckedSecret(HMACAlgorithm):
    """The secret was looked at when it was configured; looking again costs more than the signature."""

    def prepare_key(self, key: Any) -> bytes:
        return key

    def check_key_length(self, key: bytes) -> str | None:
        return None
