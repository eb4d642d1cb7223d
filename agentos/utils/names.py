"""Names that a caller may have misspelt."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

from agentos.errors import ConfigurationError

T = TypeVar("T")


def hint(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'session_id'?`, or nothing if no known name is near."""
    nearest = get_close_matches(name.lower(), list(known), n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def checks_parameters(kind: type[T]) -> type[T]:
    """Makes a class answer an unknown parameter with a ConfigurationError that names the nearest one."""
    initialise: Callable[..., None] = kind.__init__
    known = [name for name in inspect.signature(initialise).parameters if name not in {"self", "_"}]

    @wraps(initialise)
    def checked(self: T, *args: Any, **options: Any) -> None:
        for name in options:
            if name not in known:
                raise ConfigurationError(f"{kind.__name__} has no parameter {name!r}.{hint(name, known)}")
        initialise(self, *args, **options)

    kind.__init__ = checked
    return kind
