"""Postgres URLs, and the options of every connection."""

from __future__ import annotations

from typing import Any, Final

from psycopg.pq import Conninfo
from sqlalchemy import Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from agentos.errors import ConfigurationError
from agentos.utils.names import hint

_LISTS: Final = {"host", "port"}
_NUMBERS: Final = {
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
}
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

_LIMIT_IDLE: Final = "SET idle_in_transaction_session_timeout = '60s'"


def parse_url(db_url: str | None) -> URL:
    """Parses the URL. ConfigurationError, without the password, if it or a parameter in it is invalid."""
    wanted = "db_url must look like postgresql+psycopg://user:password@host:5432/database"
    if not db_url:
        raise ConfigurationError(f"{wanted}; it is empty.")
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{wanted}; this one can't be read.") from None
    if url.drivername not in _DRIVERS:
        raise ConfigurationError(f"{wanted}; {url.drivername!r} isn't supported.")
    _check_parameters(url)
    return url.set(drivername="postgresql+psycopg")


def _check_parameters(url: URL) -> None:
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for name, value in url.query.items():
        if name not in known:
            problem = f"db_url has the parameter {name!r}, which Postgres doesn't know: remove it."
            raise ConfigurationError(problem + hint(name, known))
        if not isinstance(value, str):
            if name not in _LISTS:
                raise ConfigurationError(f"db_url has the parameter {name!r} more than once: give it once.")
        elif name in _NUMBERS and not value.isdecimal():
            raise ConfigurationError(
                f"db_url has the parameter {name!r}, which must be a number of 0 or more."
            )


def connect_args(url: URL) -> dict[str, Any]:
    """Connection options for the driver. Options in the URL override them."""
    return {name: value for name, value in _CONNECT.items() if name not in url.query}


def lasting_engine(url: URL, *, size: int) -> Engine:
    """A blocking engine with a pool. It doesn't connect yet.

    A dead connection is noticed by the statement that needs it, which the caller must repeat.
    """
    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        connect_args=connect_args(url),
        hide_parameters=True,
        use_native_hstore=False,  # finding out whether there is one takes a round trip
    )
    event.listen(engine, "connect", _limit_idle)
    return engine


def _limit_idle(connection: Any, *_: object) -> None:
    """Postgres ends a transaction that stops halfway, and with it the locks that others wait for."""
    connection.execute(_LIMIT_IDLE)
    connection.commit()  # the pool rolls back, which would undo it


def blocking_engine(url: URL) -> Engine:
    """An engine without a pool, for work that blocks its thread. It doesn't connect yet."""
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=connect_args(url),
        hide_parameters=True,
        use_native_hstore=False,  # finding out whether there is one takes a round trip
    )
