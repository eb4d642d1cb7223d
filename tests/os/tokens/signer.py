"""Keys and tokens for the tests in this folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

SECRET = "a secret that is long enough for every hash, as RFC 7518 wants it to be"
OTHER_SECRET = "another secret that is long enough for every hash, which nobody configured"


def token(*scopes: str, key: Any = SECRET, algorithm: str = "HS256", headers=None, **claims: Any) -> str:
    """A token of alice's that holds `scopes`; a claim given as `...` is left out."""
    payload = {
        "sub": "alice",
        "scopes": list(scopes),
        "exp": datetime.now(UTC) + timedelta(hours=1),
        **claims,
    }
    given = {name: value for name, value in payload.items() if value is not ...}
    return jwt.encode(given, key, algorithm=algorithm, headers=headers)


def bearer(*scopes: str, **claims: Any) -> dict[str, str]:
    """The header that carries such a token."""
    return {"Authorization": f"Bearer {token(*scopes, **claims)}"}
