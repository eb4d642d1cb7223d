"""Why Postgres can't be reached, and at most one log line a minute about each reason."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Final

from psycopg.errors import ConnectionTimeout
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

EVERY_SECONDS: Final = 60.0
"""How often the same reason is logged again."""

_logger = logging.getLogger("agentos.db")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a database can't be reached, as the end of a sentence about it."""

    text: str
    is_permanent: bool = False
    """Whether it stays so until somebody changes the server or `db_url`."""


def _permanent(text: str) -> Cause:
    return Cause(text, is_permanent=True)


_TIMED_OUT: Final = Cause("doesn't answer in time")
# While a connection is made libpq tells causes apart in its text only. Servers whose messages aren't English
# get the last cause.
_CAUSES: Final = [
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (
            r'database ".*" does not exist|no such database',
            _permanent("has no such database: create it, or correct its name in db_url"),
        ),
        (
            r'authentication failed|role ".*" does not exist|no password supplied|no such user'
            r"|is not permitted to log in",
            _permanent("refuses the login: correct user and password in db_url"),
        ),
        (
            r"pg_hba\.conf",
            _permanent("admits no such login from this machine: add a line to the server's pg_hba.conf"),
        ),
        (
            r"permission denied for database",
            _permanent("doesn't admit this user: GRANT CONNECT ON DATABASE to it"),
        ),
        (
            r"does not support SSL|certificate verify failed|root certificate file|does not match host name",
            _permanent("can't be reached with TLS as db_url wants it: correct sslmode and sslrootcert"),
        ),
        (
            r"invalid \S+ value|unrecognized configuration parameter|unsupported startup parameter",
            _permanent("can't be reached with the options of db_url: correct what follows its ?"),
        ),
        (r"too many (clients|connections)|connection slots", Cause("has no connection left")),
        (r"the database system is", Cause("is starting up, shutting down or in recovery")),
        (r"connection refused", Cause("can't be reached: nothing listens on that port")),
        (r"resolve host|translate host name", Cause("can't be reached: the name of the host isn't known")),
        (r"no route to host|network is unreachable", Cause("can't be reached: no route leads to the host")),
        (r"timeout", _TIMED_OUT),
    )
]
_BUSY: Final = Cause("could not be asked: every connection of the pool is busy")
_OTHERWISE: Final = Cause("can't be reached, or has closed the connection")

_logged: dict[str, float] = {}
"""When each sentence was logged last."""
_away: set[str] = set()
"""The places whose outage was logged, and that haven't answered since."""
_lock = Lock()


def cause_of(error: BaseException) -> Cause:
    """The cause behind an error for which `errors.is_away` holds, or behind one of psycopg."""
    match error:
        case PoolTimeoutError():
            return _BUSY
        case TimeoutError() | ConnectionTimeout() | DBAPIError(orig=ConnectionTimeout()):
            return _TIMED_OUT
        case _:
            text = str(error.orig if isinstance(error, DBAPIError) else error)
            return next((cause for pattern, cause in _CAUSES if pattern.search(text)), _OTHERWISE)


def sentence(url: URL, cause: Cause) -> str:
    """The cause as a sentence that names the database, without the password."""
    return f"{_place(url)} {cause.text}."


def report(url: URL, told: str) -> None:
    """Logs the sentence, unless it was logged less than a minute ago."""
    now = monotonic()
    with _lock:
        if now - _logged.get(told, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        _logged[told] = now
        _away.add(_place(url))
    _logger.warning("%s", told)


def over(url: URL) -> None:
    """Logs that the database has answered, if its outage was logged."""
    if not _away:
        return
    place = _place(url)
    with _lock:
        if place not in _away:
            return
        _away.remove(place)
    _logger.info("%s answers again.", place)


def _place(url: URL) -> str:
    host = url.host or url.query.get("host") or "localhost"
    user = f", user {url.username!r}" if url.username else ""
    return f"Postgres (host {host!r}, port {url.port or 5432}, database {url.database!r}{user})"
