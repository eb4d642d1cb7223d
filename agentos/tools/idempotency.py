"""A key for each tool call that stays the same when the call is repeated."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

_key: ContextVar[str] = ContextVar("agentos_idempotency_key")


def idempotency_key() -> str:
    """The idempotency key of the current call, for external services: 64 hexadecimal digits.

    A repeated call, after a crash or on a person's decision, has the same key. RuntimeError outside of a tool
    call.
    """
    try:
        return _key.get()
    except LookupError:
        raise RuntimeError("idempotency_key() has a value only while a tool is being called.") from None


@contextmanager
def calling(*names: object) -> Generator[None]:
    """Sets the key for the calls inside, derived from everything that identifies the call."""
    token = _key.set(sha256("\0".join(map(str, names)).encode(errors="replace")).hexdigest())
    try:
        yield
    finally:
        _key.reset(token)
