"""The gate that requires one shared key: authentication for the simplest deployments."""

from __future__ import annotations

import logging
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from starlette.types import ASGIApp

from agentos import environment
from agentos.errors import ConfigurationError
from agentos.os.auth.middleware import Gate
from agentos.os.auth_settings import AuthSettings
from agentos.os.policy.policy import ADMIN_SCOPE
from agentos.os.principal import Principal
from agentos.os.tokens.claims import TokenError

logger = logging.getLogger("agentos.auth")

VARIABLE: Final = "AGENTOS_SECURITY_KEY"
SHORTEST: Final = 16
"""Characters. A shorter key can be guessed and causes a warning."""


class SecurityKeyMiddleware(Gate):
    """Grants everything to callers who send `key` as a bearer token. They have no user id.

    Service accounts are also accepted, limited to their scopes.
    """

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        super().__init__(app, self.settings(key=key), _Key(key), is_guessable=True)

    @classmethod
    def settings(cls, *, key: str) -> AuthSettings:
        """The defaults, in which only service accounts need the scopes of each route."""
        return AuthSettings(authorization=True)


class _Key:
    def __init__(self, key: str) -> None:
        self._digest = _digest(key)
        # No part of the hash: that would tell guesses apart without asking the server.
        self._holder = Principal(scopes=frozenset({ADMIN_SCOPE}), token_ref="security_key")  # noqa: S106

    async def verify(self, token: str, *, server_id: str | None) -> Principal:
        # Digests are as long as each other, whatever the key's length.
        if not compare_digest(_digest(token), self._digest):
            error = TokenError("Invalid token: not the security key")
            error.token_ref = "unknown"  # noqa: S105
            raise error
        return self._holder


def chosen(setting: str | bool) -> str | None:
    """The key for `AgentOS(security_key=…)`; True means the environment's. None: no key.

    ConfigurationError if the key is missing.
    """
    if setting is False:
        return None
    key = environment.read(VARIABLE) if setting is True else setting
    if not key:
        where = f"True needs {VARIABLE} in the environment" if setting is True else "'' is no key"
        raise ConfigurationError(f"security_key={where}: give one of {SHORTEST} or more characters.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError("security_key must be ASCII without spaces: a header can't hold others.")
    if len(key) < SHORTEST:
        logger.warning(
            "security_key has only %d characters and can be guessed. Use %d or more.", len(key), SHORTEST
        )
    return key


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()
