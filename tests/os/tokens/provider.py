"""The far side of fetched keys: an identity provider in a process of its own, and keys that it publishes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.flows.processes import environment, running
from tests.os.tokens.signer import token

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"


class SigningKey:
    """A key pair with a name; `ES256`, because making one takes no time."""

    def __init__(self) -> None:
        self.kid = uuid4().hex
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, Any]:
        public = jwt.get_algorithm_by_name("ES256").to_jwk(self._private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def token(self, *scopes: str, kid: str | None = None, **claims: Any) -> str:
        headers = {"kid": kid or self.kid}
        return token(*scopes, key=self._private, algorithm="ES256", headers=headers, **claims)

    def bearer(self, *scopes: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*scopes, **claims)}"}


class IdentityProvider:
    """What the provider publishes and how often it was asked."""

    def __init__(self, url: str) -> None:
        self.issuer = url
        self.jwks_url = url + JWKS
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self.serve(DISCOVERY, {"issuer": url, "jwks_uri": self.jwks_url})

    def serve(self, path: str, document: Any, **answer: Any) -> None:
        """Text as it is, other things as JSON; `answer` is the rest of what the server takes."""
        body = document if isinstance(document, str) else json.dumps(document)
        self._http.put(path, json={"body": body, **answer}).raise_for_status()

    def publish(self, *keys: SigningKey, **answer: Any) -> None:
        self.serve(JWKS, {"keys": [key.jwk for key in keys]}, **answer)

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self._http.get("/counts").json().get(JWKS, 0)


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    command = [sys.executable, "-m", "tests.fakes.identity_provider"]
    root = Path(__file__).parents[3]
    with running(command, cwd=root, env=environment(), until=["http://127.0.0.1:"]) as process:
        yield IdentityProvider(process.output.strip())
