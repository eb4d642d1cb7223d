"""Postgres URLs, and the options of every connection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from agentos.errors import ConfigurationError

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
    """Parses the URL. ConfigurationError, without the password, if it is invalid."""
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
    """Connection options for the driver. Options in the URL override them."""
    return {name: value for name, value in _CONNECT.items() if name not in url.query}


def blocking_engine(url: URL) -> Engine:
    """An engine without a pool, for work that blocks its thread. It doesn't connect yet."""
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=connect_args(url),
        hide_parameters=True,
        use_native_hstore=False,  # finding out whether there is one takes a round trip
    )
