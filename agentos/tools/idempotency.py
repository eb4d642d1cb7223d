"""Which tool call is being made, and a key for it that stays the same when it is repeated."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

_call: ContextVar[tuple[str, str, str]] = ContextVar("agentos_call")


def idempotency_key() -> str:
    """The idempotency key of the current call, for external services: 64 hexadecimal digits.

    A repeated call, after a crash or on a person's decision, has the same key. RuntimeError outside of a tool
    call.
    """
    try:
        names = _call.get()
    except LookupError:
        raise RuntimeError("idempotency_key() has a value only while a tool is being called.") from None
    return sha256("\0".join(names).encode(errors="replace")).hexdigest()


def current_call() -> tuple[str, str]:
    """The step of the current call, which is its name in the run, and the call's id."""
    return _call.get()[1:]


@contextmanager
def calling(run_id: str, step: str, call_id: str) -> Generator[None]:
    """Identifies the call that is made inside."""
    token = _call.set((run_id, step, call_id))
    try:
        yield
    finally:
        _call.reset(token)
