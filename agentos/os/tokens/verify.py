"""Verifies a token: the signature (RFC 7515), then the claims (RFC 7519).

PyJWT checks both; `claims` checks what PyJWT is too lenient about.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import jwt

from agentos.os.auth_settings import AuthSettings
from agentos.os.principal import Principal
from agentos.os.tokens.claims import TokenError, check_audience, check_times, read, refusal
from agentos.os.tokens.keys import Key, KeyRing

if TYPE_CHECKING:
    from jwt.types import Options

LONGEST_TOKEN: Final = 16 * 1024
"""Characters; longer tokens are refused without parsing."""
_UNCHECKED: Final[Options] = {"verify_signature": False, "require": []}


class _NoKeyFitsError(TokenError):
    """None of the keys matches the signature."""


class Verifier:
    """Checks tokens against keys and settings. Contents of refused tokens are neither repeated nor logged."""

    def __init__(self, keys: KeyRing, settings: AuthSettings) -> None:
        self._keys = keys
        self._settings = settings
        self._is_registered = settings.verify_audience and settings.audience_claim == "aud"
        self._issuer = settings.issuer
        self._leeway = settings.leeway
        self._jwt = jwt.PyJWT(
            {
                "require": ["exp"] if settings.require_exp else [],
                "verify_aud": self._is_registered,
                # `claims` reads these, and is stricter.
                "verify_sub": False,
                "verify_jti": False,
            }
        )

    async def verify(self, token: str, *, server_id: str | None = None) -> Principal:
        """The principal of a valid token. `server_id` is the audience unless one is configured.

        TokenError for an invalid token, KeysUnavailableError if it can't be verified yet.
        """
        token_hash = sha256(token.encode(errors="replace")).hexdigest()
        try:
            claims = await self._claims(token, server_id)
            return read(claims, self._settings, token_hash=token_hash)
        except TokenError as error:
            error.token_ref = token_hash[:12]
            raise

    async def _claims(self, token: str, server_id: str | None) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise TokenError("Invalid token: longer than 16 KiB")
        try:
            kid = None if self._keys.jwks is None else jwt.get_unverified_header(token).get("kid")
            keys = await self._keys.fitting(kid)
            return self.opened(token, keys, server_id=server_id)
        except _NoKeyFitsError:
            self._keys.check()
            raise
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenError("Invalid token: malformed") from None

    def opened(self, token: str, keys: tuple[Key, ...], *, server_id: str | None = None) -> dict[str, Any]:
        """The verified claims, signed by one of `keys`. PyJWTError if the text is no token."""
        reason = "no key fits"
        audiences = self._settings.audiences or ((server_id,) if server_id else ())
        for key in keys:
            for material in key.material:
                try:
                    opened = self._jwt.decode_complete(
                        token,
                        material,
                        key.algorithms,
                        audience=audiences if self._is_registered else None,
                        issuer=self._issuer,
                        leeway=self._leeway,
                    )
                except jwt.InvalidAlgorithmError:
                    if reason == "no key fits":
                        reason = "The specified alg value is not allowed"
                except jwt.InvalidSignatureError:
                    reason = "Signature verification failed"
                except jwt.PyJWTError as error:
                    # The signature is right, or the text is no token: then this raises once more.
                    claims = self._jwt.decode(token, options=_UNCHECKED)
                    check_times(claims)
                    raise refusal(error, claims) from None
                else:
                    if "crit" in opened["header"]:
                        raise TokenError("Invalid token: malformed")
                    check_times(opened["payload"])
                    check_audience(opened["payload"], self._settings, audiences)
                    return opened["payload"]
        raise _NoKeyFitsError(f"Invalid token: {reason}")
