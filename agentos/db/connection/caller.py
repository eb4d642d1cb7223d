"""Connections that set the owner of each transaction in the same round trip as the statement.

Row-level security (`agentos.db.schema.row_security`) reads these settings. They end with their transaction,
so they can't leak to the next user of the connection, nor to another client of a pooler. Such a pooler must
support prepared statements and `DEALLOCATE ALL`, as PgBouncer has since 1.22 (`max_prepared_statements`).
"""

from __future__ import annotations

import socket
from asyncio import CancelledError, Lock, get_running_loop
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self, TypeVar

from psycopg import AsyncCursor, AsyncPipeline, Error
from psycopg.abc import Params, Query, QueryNoTemplate
from psycopg.generators import send
from sqlalchemy.ext.asyncio import AsyncConnection as SqlAlchemyConnection

from agentos.db.connection.login import Connection
from agentos.db.encoding import id_or_none
from agentos.run.owner import ANYONE, Owner

# A setting of the role's own, made by an administrator for the login, is left alone.
_SETTINGS: Final = """
SELECT
    set_config('role', coalesce(nullif(%s, ''), current_setting('role')), true),
    set_config('agentos.owner', %s, true),
    set_config('agentos.anyone', %s, true)
"""
_LOCKS: Final = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"
_CORK: Final[int | None] = getattr(socket, "TCP_CORK", None)
_EVERYBODY: Final = ("", "on")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a transaction, and what runs before its statement."""

    owner: Owner | None = None
    """None sees only rows without an owner."""
    locks: Sequence[int] = ()
    """Advisory locks, taken before anything is read."""
    look: str = ""
    """A statement without parameters that sees everyone's rows."""

    @property
    def settings(self) -> tuple[str, str]:
        """The values of `agentos.owner` and `agentos.anyone`."""
        if self.owner is ANYONE:
            return _EVERYBODY
        user_id = id_or_none(self.owner) if self.owner else None
        return user_id or "", ""


NOBODY: Final = Caller()


class CallersConnection(Connection):
    """A connection in autocommit mode on which each statement is a transaction of one caller.

    It stays in psycopg's pipeline mode from its first statement on. Everything up to a `sync` is one
    transaction and one round trip.
    """

    role = ""
    """The role that transactions act as; "" is the login role."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._caller = NOBODY
        self._turns = Lock()
        self._preface = AsyncCursor(self)
        self._mode = AsyncExitStack()
        self._entered: AsyncPipeline | None = None

    @contextmanager
    def acting_for(self, caller: Caller) -> Generator[None]:
        """Inside, statements run for `caller`; outside, for nobody."""
        self._caller = caller
        try:
            yield
        finally:
            self._caller = NOBODY

    async def transact(self, execute: Callable[[], Awaitable[T]]) -> T:
        """Sends what `execute` sends after the caller's settings, and returns once it is committed.

        After an error the connection is either usable or closed; after a cancellation it is closed.
        """
        caller = self._caller
        async with self._turns:
            try:
                try:
                    pipeline = self._entered or await self._enter()
                    with self._held_back():
                        await self._introduce(caller)
                        result = await execute()
                        # `sync` waits for an answer even if the socket hasn't taken the whole question.
                        await self.wait(send(self.pgconn))
                    await pipeline.sync()
                except Exception:
                    await self._recover()
                    raise
            except CancelledError:
                await self.close()
                raise
            return result

    @contextmanager
    def _held_back(self) -> Generator[None]:
        """What is sent inside leaves with what is sent right after it, as far as the system can do that.

        psycopg sends each command by itself. A process that stopped in between would keep its locks.
        """
        self._cork(1)
        try:
            yield
        finally:
            get_running_loop().call_soon(self._cork, 0)

    def _cork(self, value: int) -> None:
        if _CORK is None or self.closed:
            return
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=self.pgconn.socket)
        try:
            with suppress(OSError):  # a Unix socket has none
                connection.setsockopt(socket.IPPROTO_TCP, _CORK, value)
        finally:
            connection.detach()

    async def close(self) -> None:
        """As psycopg's."""
        await super().close()
        with suppress(Error):  # that the connection is closed
            await self._leave()

    async def _introduce(self, caller: Caller) -> None:
        execute = self._preface.execute
        if caller.locks:
            await execute(_LOCKS, [sorted(set(caller.locks))], prepare=True)
        if caller.look:
            await execute(_SETTINGS, (self.role, *_EVERYBODY), prepare=True)
            await execute(caller.look.encode())
        await execute(_SETTINGS, (self.role, *caller.settings), prepare=True)

    async def _enter(self) -> AsyncPipeline:
        self._entered = await self._mode.enter_async_context(self.pipeline())
        return self._entered

    async def _leave(self) -> None:
        self._entered = None
        await self._mode.aclose()

    async def _recover(self) -> None:
        """Discards outstanding results and makes both sides forget prepared statements.

        psycopg considers a statement prepared even if the pipeline failed before it.
        """
        try:
            with suppress(Error):  # those of the statements behind the one that failed
                await self._leave()
            await AsyncCursor(self).execute("DEALLOCATE ALL")
        except Error:
            await self.close()


class CallersCursor(AsyncCursor[Any]):
    """A cursor whose statements run for the connection's caller."""

    async def execute(  # pyright: ignore[reportIncompatibleMethodOverride] - takes no t-strings
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        """As in psycopg, after setting the caller."""
        execute = partial(super().execute, query, params, prepare=prepare, binary=binary)
        return await _connection(self).transact(execute)

    async def executemany(
        self, query: Query, params_seq: Iterable[Params], *, returning: bool = False
    ) -> None:
        """As in psycopg, after setting the caller; all of it is one transaction."""
        execute = partial(super().executemany, query, params_seq, returning=returning)
        await _connection(self).transact(execute)


def _connection(cursor: CallersCursor) -> CallersConnection:
    connection = cursor.connection
    assert isinstance(connection, CallersConnection)
    return connection


def of(connection: SqlAlchemyConnection) -> CallersConnection:
    """The driver's connection beneath SQLAlchemy's."""
    sync = connection.sync_connection
    assert sync is not None
    found = sync.connection.driver_connection
    assert isinstance(found, CallersConnection)
    return found


async def connect(*arguments: Any, role: str, **options: Any) -> CallersConnection:
    """As in psycopg; transactions act as `role`."""
    connection = await CallersConnection.connect(
        *arguments, autocommit=True, cursor_factory=CallersCursor, **options
    )
    connection.role = role
    return connection
