"""Classifies Postgres errors: temporary ones, and those that need a change of the configuration."""

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
    """Whether Postgres was unreachable, so that the same call may succeed later."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | TimeoutError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def lacks_privilege(error: BaseException) -> bool:
    """Whether the role lacks a privilege (SQLSTATE 42501), which someone must grant."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, InsufficientPrivilege)


@contextmanager
def answering(url: URL) -> Generator[None]:
    """Turns all errors of an unreachable Postgres into DatabaseUnavailableError."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, TimeoutError) as error:
        if not is_away(error):
            raise
        cause = error.orig if isinstance(error, DBAPIError) else error
        _logger.warning(
            "Can't reach Postgres: host %r, port %s, database %r (%s)",
            url.host,
            url.port or 5432,
            url.database,
            type(cause).__name__,
        )
        raise DatabaseUnavailableError("The database isn't available. Try again in a moment.") from error


@contextmanager
def permitted(remedy: str) -> Generator[None]:
    """Turns a missing privilege into a ConfigurationError that states the `remedy`."""
    try:
        yield
    except DBAPIError as error:
        if not lacks_privilege(error):
            raise
        raise ConfigurationError(remedy) from error
