"""What the role that connects may do in Postgres, and what to say when it may not."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import DBAPIError

from agentos.errors import ConfigurationError


@contextmanager
def permitted(mend: str) -> Generator[None]:
    """Turns Postgres's refusal, for want of a privilege, into a ConfigurationError that says `mend`."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, InsufficientPrivilege):
            raise ConfigurationError(mend) from error
        raise
