"""How Postgres is reached: addresses, and what it means when it doesn't answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from agentos.errors import ConfigurationError, DatabaseUnavailableError

C = TypeVar("C", bound=AsyncConnection[Any])

_logger = logging.getLogger(__name__)

_DRIVERS = {"postgresql", "postgres", "postgresql+psycopg"}

_CONNECT = {
    "connect_timeout": 5,
    "application_name": "agentos",
    # A peer that went away without a word is noticed within a minute, not after the system's two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def parse_url(db_url: str | None) -> URL:
    """The address in SQLAlchemy's terms; ConfigurationError, without the password, if it isn't one."""
    wanted = "db_url must look like postgresql+psycopg://user:password@host:5432/database"
    if not db_url:
        raise ConfigurationError(f"{wanted}; it is empty.")
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{wanted}; this one can't be read.") from None
    if url.drivername not in _DRIVERS:
        raise ConfigurationError(f"{wanted}; {url.drivername!r} isn't supported.")
    return url.set(drivername="postgresql+psycopg")


def connect_args(url: URL) -> dict[str, Any]:
    """What to tell the driver besides the address; what the address says itself goes before."""
    return {name: value for name, value in _CONNECT.items() if name not in url.query}


async def made(connecting: Coroutine[Any, Any, C]) -> C:
    """The connection, once it is made. If nobody waits for it any more it is made all the same, and closed.

    One that is left half made keeps Postgres waiting for its login, for a minute, and whoever drops a
    database with it.
    """
    task = asyncio.create_task(connecting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            task.result().pgconn.finish()
        raise


@contextmanager
def answering(url: URL) -> Generator[None]:
    """Turns every way for Postgres not to answer into DatabaseUnavailableError."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, TimeoutError) as error:
        raise _unavailable(url, error) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise _unavailable(url, error) from error


def _unavailable(url: URL, error: BaseException) -> DatabaseUnavailableError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    _logger.warning(
        "Postgres doesn't answer: host %r, port %s, database %r (%s)",
        url.host,
        url.port or 5432,
        url.database,
        type(cause).__name__,
    )
    return DatabaseUnavailableError("The database doesn't answer. Try again in a moment.")
