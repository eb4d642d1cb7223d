"""The keys that tokens are verified with: given, in a JWKS file, or published by an identity provider."""

from agentos.os.keys.changing import ChangingKeys, KeysUnavailableError
from agentos.os.keys.key import Algorithm, Key, pinned
from agentos.os.keys.key_set import KeySet
from agentos.os.keys.ring import KeyRing, ring

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
