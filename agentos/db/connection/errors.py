"""What an error of Postgres means: that trying again helps, or that the configuration must change."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from psycopg.errors import InsufficientPrivilege
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from agentos.errors import ConfigurationError, DatabaseUnavailableError

_logger = logging.getLogger(__name__)


def is_away(error: BaseException) -> bool:
    """Whether Postgres, or a connection to it, couldn't be had: the same call may succeed later."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | TimeoutError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def lacks_privilege(error: BaseException) -> bool:
    """Whether the role may not do this (SQLSTATE 42501): it fails until somebody grants it."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, InsufficientPrivilege)


@contextmanager
def answering(url: URL) -> Generator[None]:
    """Turns every way for Postgres to be away into DatabaseUnavailableError."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, TimeoutError) as error:
        if not is_away(error):
            raise
        cause = error.orig if isinstance(error, DBAPIError) else error
        _logger.warning(
            "Postgres doesn't answer: host %r, port %s, database %r (%s)",
            url.host,
            url.port or 5432,
            url.database,
            type(cause).__name__,
        )
        raise DatabaseUnavailableError("The database doesn't answer. Try again in a moment.") from error


@contextmanager
def permitted(remedy: str) -> Generator[None]:
    """Turns Postgres's refusal for want of a privilege into a ConfigurationError that says `remedy`."""
    try:
        yield
    except DBAPIError as error:
        if not lacks_privilege(error):
            raise
        raise ConfigurationError(remedy) from error
