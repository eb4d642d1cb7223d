"""The one door to the tables: a pool per event loop, and a `Reach` that knows whose call it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError
from sqlalchemy import ColumnElement, Executable, RowMapping, Table, event, true
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agentos.db import encoding
from agentos.db.connection import caller
from agentos.db.connection.errors import answering
from agentos.db.connection.transaction import Isolation, Transaction, Transactions
from agentos.db.connection.url import connect_args
from agentos.db.filters import same
from agentos.db.schema.upgrade import DatabaseSchema, lock_key
from agentos.event_loop import PerLoop
from agentos.run.owner import ANYONE, Owner
from agentos.tasks import to_the_end

C = TypeVar("C", bound=AsyncConnection[Any])


class Engine:
    """Connections to one database. Making it connects to nothing; the first call sees to the tables."""

    def __init__(
        self,
        url: URL,
        schema: DatabaseSchema,
        *,
        create_schema: bool,
        pool_size: int,
        pool_timeout: float,
        query_timeout: float,
    ) -> None:
        self._url = url
        self._schema = schema
        self._create_schema = create_schema
        self._pool_size = pool_size
        self._pool_timeout = pool_timeout
        self._query_timeout = query_timeout
        self._pools: PerLoop[_Pool] = PerLoop(self._pool)
        self._transactions = Transactions(url)

    def reach(self, owner: Owner) -> Reach:
        """The tables as far as `owner` may touch them."""
        return Reach(self, owner)

    async def ready(self) -> None:
        """Returns once the tables are there and up to date."""
        if not self._schema.is_ready:
            await asyncio.to_thread(self._schema.ensure, create=self._create_schema)

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        owner: Owner | None = None,
        locks: Sequence[str] = (),
        look: str = "",
    ) -> Sequence[RowMapping]:
        """Runs one statement, which is its own transaction, in one round trip.

        It sees the rows of `owner`; without one only those that have no owner. Whoever else names one of
        `locks` waits, and sees what was done meanwhile. `look` is a statement in front of it, in the same
        transaction, that sees everybody's rows.
        """
        await self.ready()
        with answering(self._url):
            async with asyncio.timeout(self._query_timeout), self._pools.get().engine.connect() as connection:
                whose = caller.Caller(owner, locks=[lock_key(name) for name in locks], look=look)
                with caller.of(connection).acting_for(whose):
                    return (await connection.execute(statement, parameters)).mappings().all()

    @asynccontextmanager
    async def transaction(
        self, owner: Owner, *, isolation: Isolation = "READ COMMITTED"
    ) -> AsyncGenerator[Transaction]:
        """Several statements that all happen, or none, on a connection besides the pool's."""
        await self.ready()
        with answering(self._url):
            async with self._transactions.begun(
                owner, role=self._schema.role, isolation=isolation
            ) as transaction:
                yield transaction

    async def connect(self) -> AsyncConnection:
        """A connection besides the pool's, in autocommit mode and nobody's: to listen with."""
        arguments, options = self._url.get_dialect()().create_connect_args(self._url)
        settings = {**options, **connect_args(self._url)}
        return await _made(AsyncConnection.connect(*arguments, **settings, autocommit=True))

    async def close(self) -> None:
        """Closes the running loop's connections."""
        pool = self._pools.pop()
        if pool is not None:
            await pool.close()

    def _pool(self) -> _Pool:
        opened = _Opened()
        engine = create_async_engine(
            self._url,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            use_native_hstore=False,
            json_serializer=encoding.dump,
            json_deserializer=encoding.load,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=self._pool_timeout,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args=connect_args(self._url) | {"async_creator_fn": partial(self._open, opened)},
        )
        event.listen(engine.sync_engine, "checkout", _refuse_dead)
        return _Pool(engine, opened)

    async def _open(self, opened: _Opened, *arguments: Any, **options: Any) -> caller.CallersConnection:
        return await opened.add(await _made(caller.connect(*arguments, role=self._schema.role, **options)))


class _Opened:
    """The connections that a pool has opened. SQLAlchemy forgets one whose caller left while it was new."""

    def __init__(self) -> None:
        self._connections: set[caller.CallersConnection] = set()
        self._is_closed = False

    async def add(self, connection: caller.CallersConnection) -> caller.CallersConnection:
        """The connection, which is closed with the others; OperationalError if they were closed meanwhile."""
        if self._is_closed:
            await connection.close()
            raise OperationalError("the pool was closed while the connection was being made")
        self._connections = {each for each in self._connections if not each.closed} | {connection}
        return connection

    async def close(self) -> None:
        self._is_closed = True
        for connection in self._connections:
            await connection.close()


@dataclass(frozen=True, slots=True)
class _Pool:
    """The connections of one event loop."""

    engine: AsyncEngine
    opened: _Opened

    async def close(self) -> None:
        await self.engine.dispose()
        await self.opened.close()


class Reach:
    """What one owner can reach; every statement on rows that have an owner goes through one."""

    def __init__(self, engine: Engine, owner: Owner) -> None:
        self._engine = engine
        self._owner = owner

    def covers(self, table: Table) -> ColumnElement[bool]:
        """The condition that a row of `table` is the owner's."""
        return true() if self._owner is ANYONE else same(table.c.user_id, self._owner)

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        locks: Sequence[str] = (),
        look: str = "",
    ) -> Sequence[RowMapping]:
        """Runs one statement; one that takes parameters says `:anyone OR user_id = :owner` itself.

        See `Engine.execute` for the rest.
        """
        if parameters is None:
            return await self._engine.execute(statement, owner=self._owner, locks=locks, look=look)
        owner = None if self._owner is ANYONE else encoding.id_or_none(self._owner)
        everything = {**parameters, "owner": owner, "anyone": self._owner is ANYONE}
        return await self._engine.execute(statement, everything, owner=self._owner, locks=locks, look=look)


async def _made(connecting: Coroutine[Any, Any, C]) -> C:
    """The connection, once it is made. If nobody waits for it any more it is made all the same, and closed.

    One that is left half made keeps Postgres waiting for its login, for a minute, and whoever drops a
    database with it.
    """
    task = asyncio.create_task(connecting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await to_the_end(_discarded(task))  # who is cancelled once may be cancelled again
        raise


async def _discarded(connecting: asyncio.Task[C]) -> None:
    await asyncio.wait([connecting])
    if not connecting.cancelled() and connecting.exception() is None:
        await connecting.result().close()


def _refuse_dead(connection: Any, *_: object) -> None:
    """Replaces a connection that the server has closed while it lay in the pool.

    Such a socket is readable, a healthy idle one isn't: that costs no round trip.
    """
    with DefaultSelector() as selector:
        selector.register(connection.driver_connection, EVENT_READ)
        if selector.select(timeout=0):
            raise DisconnectionError
