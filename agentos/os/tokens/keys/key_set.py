"""A parsed JWKS (RFC 7517 §5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from agentos.errors import AgentOSError, ConfigurationError
from agentos.os.tokens.keys.key import Key


class JwksError(AgentOSError):
    """A JWKS is unavailable or has no usable key. The text is safe to log."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of a JWKS."""

    keys: tuple[Key, ...]
    max_age: float
    """Seconds after which the keys should be read again."""

    @classmethod
    def parse(
        cls, document: bytes, read: Callable[[Mapping[str, Any]], Key | None], *, max_age: float
    ) -> KeySet:
        """Applies `read` to each key of a document; it returns None for unusable keys."""
        try:
            entries = cast("list[dict[str, Any]]", json.loads(document)["keys"])
            keys = [read(dict(entry)) for entry in entries]
        except ConfigurationError:
            raise
        except (ValueError, RecursionError, KeyError, TypeError):
            raise JwksError("it isn't a JWKS") from None
        usable = tuple(key for key in keys if key is not None)
        if not usable:
            raise JwksError("it has no public key for the configured algorithm")
        return cls(usable, max_age)

    @property
    def nameless(self) -> tuple[Key, ...]:
        """Keys without a `kid`, for tokens whose key isn't found by name."""
        return tuple(key for key in self.keys if key.kid is None)

    def named(self, kid: str | None) -> tuple[Key, ...]:
        """The keys with this `kid`; one, if the document follows the RFC."""
        return () if kid is None else tuple(key for key in self.keys if key.kid == kid)
