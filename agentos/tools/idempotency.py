"""A name for each tool call that stays the same when the call is made again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

_key: ContextVar[str] = ContextVar("agentos_idempotency_key")


def idempotency_key() -> str:
    """The present call's own name, for services that take one: 64 hexadecimal digits.

    A call that is made again, because its process died or a person wished so, has the same one. Raises
    RuntimeError outside of a tool's call.
    """
    try:
        return _key.get()
    except LookupError:
        raise RuntimeError("idempotency_key() has a value only while a tool is being called.") from None


@contextmanager
def calling(*names: object) -> Generator[None]:
    """Gives the calls within a key, made of what tells the call from all others."""
    token = _key.set(sha256("\0".join(map(str, names)).encode(errors="replace")).hexdigest())
    try:
        yield
    finally:
        _key.reset(token)
