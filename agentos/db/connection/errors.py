"""Classifies Postgres errors: temporary ones, and those that need a change of the configuration."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from psycopg import Error as PostgresError
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from agentos.db.connection import outages
from agentos.errors import AgentOSError, ConfigurationError, DatabaseUnavailableError

_PASSING: Final = ("08", "25006", "40", "53", "55P03", "57", "58")
"""Beginnings of SQLSTATEs after which the same statement may succeed: connections, a standby, deadlocks, lack
of resources, locks, shutdowns and cancelled statements, files. PostgreSQL documentation, appendix A."""


def is_away(error: BaseException) -> bool:
    """Whether Postgres was unreachable, so that the same call may succeed later."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeoutError | TimeoutError)
    sqlstate = error.orig.sqlstate if isinstance(error.orig, PostgresError) else None
    if sqlstate is not None and not error.connection_invalidated:
        return sqlstate.startswith(_PASSING)
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def lacks_privilege(error: BaseException) -> bool:
    """Whether the role lacks a privilege (SQLSTATE 42501), which someone must grant."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, InsufficientPrivilege)


@contextmanager
def answering(url: URL, *, is_start: bool = False) -> Generator[None]:
    """Turns all errors of an unreachable Postgres into DatabaseUnavailableError, and logs the cause.

    At the start of a program, with `is_start`, a permanent cause is a ConfigurationError instead. An
    AgentOSError that SQLAlchemy has wrapped, as it does if a value can't be encoded, is unwrapped.
    """
    try:
        yield
        outages.over(url)
    except (DBAPIError, PoolTimeoutError, TimeoutError) as error:
        if not is_away(error):
            raise
        cause = outages.cause_of(error)
        told = outages.sentence(url, cause)
        if is_start and cause.is_permanent:
            raise ConfigurationError(told) from error
        outages.report(url, told)
        raise unavailable() from error
    except StatementError as error:
        if isinstance(error.orig, AgentOSError):
            raise error.orig from None
        raise


def unavailable() -> DatabaseUnavailableError:
    """What callers are told about any outage. The log has the cause."""
    return DatabaseUnavailableError("The database isn't available. Try again in a moment.")


@contextmanager
def permitted(remedy: str) -> Generator[None]:
    """Turns a missing privilege into a ConfigurationError that states the `remedy`."""
    try:
        yield
    except DBAPIError as error:
        if not lacks_privilege(error):
            raise
        raise ConfigurationError(remedy) from error
