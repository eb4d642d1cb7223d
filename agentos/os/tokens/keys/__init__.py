"""Keys that verify tokens: configured, from a JWKS file, or published by an identity provider."""

from agentos.os.auth_settings import Algorithm, pinned
from agentos.os.tokens.keys.key import Key
from agentos.os.tokens.keys.key_set import KeySet
from agentos.os.tokens.keys.refresh import ChangingKeys, KeysUnavailableError
from agentos.os.tokens.keys.ring import KeyRing, ring

__all__ = [
    "Algorithm",
    "ChangingKeys",
    "Key",
    "KeyRing",
    "KeySet",
    "KeysUnavailableError",
    "pinned",
    "ring",
]
