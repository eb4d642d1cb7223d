"""Access to the tables: a connection pool per event loop, and `Reach`, which knows the owner of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from typing import Any
from weakref import WeakValueDictionary

from psycopg import Error as PostgresError
from psycopg import OperationalError
from sqlalchemy import ColumnElement, Executable, RowMapping, Table, event, true
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from agentos.db import encoding
from agentos.db.connection import caller, outages
from agentos.db.connection.errors import answering, unavailable
from agentos.db.connection.login import Connection, login
from agentos.db.connection.transaction import Isolation, Transaction, Transactions
from agentos.db.connection.url import connect_args
from agentos.db.filters import same
from agentos.db.schema.preparation import Preparation
from agentos.db.schema.upgrade import DatabaseSchema, lock_key
from agentos.errors import ConfigurationError
from agentos.event_loop import PerLoop
from agentos.run.owner import ANYONE, Owner

START_SECONDS = 4.0
"""How long a silent server holds up the start of a program."""


class Engine:
    """Connections to one database. The constructor doesn't connect; the first call prepares the tables."""

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
        self._preparation = Preparation(schema, create=create_schema)
        self._has_started = False
        self._pool_size = pool_size
        self._pool_timeout = pool_timeout
        self._query_timeout = query_timeout
        self._pools: PerLoop[_Pool] = PerLoop(self._pool)
        self._transactions = Transactions(url)

    def reach(self, owner: Owner) -> Reach:
        """Access to the tables limited to the rows of `owner`."""
        return Reach(self, owner)

    async def start(self) -> None:
        """Returns once the tables exist and are up to date, however long creating or upgrading them takes.

        A server that is silent for `START_SECONDS` is unavailable. ConfigurationError if only an operator can
        help.
        """
        self._has_started = True
        if not self._schema.is_ready:
            with answering(self._url):
                await self._preparation.wait(reached_within=START_SECONDS, within=None)

    async def ready(self) -> None:
        """As `start`, within the limits of a call. What `start` would refuse later is unavailable."""
        if self._schema.is_ready:
            return
        try:
            with answering(self._url):
                await self._preparation.wait(reached_within=self._pool_timeout, within=self._query_timeout)
        except ConfigurationError as error:
            if not self._has_started:
                raise
            outages.report(self._url, str(error))
            raise unavailable() from error

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        owner: Owner | None = None,
        locks: Sequence[str] = (),
        turns: Sequence[str] = (),
        look: str = "",
    ) -> Sequence[RowMapping]:
        """Runs one statement in its own transaction and one round trip.

        It sees the rows of `owner`; without an owner, only rows that have none. A call that names one of the
        same `locks` waits until this one is committed and sees its changes. `look` runs before the statement,
        in the same transaction, and sees everyone's rows.

        Statements that would wait for each other in Postgres name the same `turns`: in this process they wait
        for each other without a connection. `locks` are turns, too.
        """
        await self.ready()
        with answering(self._url):
            async with (
                asyncio.timeout(self._query_timeout),
                self._pools.get().connection({*locks, *turns}) as connection,
            ):
                whose = caller.Caller(owner, locks=[lock_key(name) for name in locks], look=look)
                with caller.of(connection).acting_for(whose):
                    return (await connection.execute(statement, parameters)).mappings().all()

    @asynccontextmanager
    async def transaction(
        self, owner: Owner, *, isolation: Isolation = "READ COMMITTED"
    ) -> AsyncGenerator[Transaction]:
        """A transaction of several statements, on a connection outside the pool."""
        await self.ready()
        with answering(self._url):
            async with self._transactions.begun(
                owner, role=self._schema.role, isolation=isolation
            ) as transaction:
                yield transaction

    async def connect(self) -> Connection:
        """A connection outside the pool, in autocommit mode and without an owner: for LISTEN."""
        arguments, options = self._url.get_dialect()().create_connect_args(self._url)
        settings = {**options, **connect_args(self._url)}
        return await login(Connection.connect(*arguments, **settings, autocommit=True))

    def report(self, error: PostgresError) -> None:
        """Logs why a connection outside the pool was lost or couldn't be made."""
        outages.report(self._url, outages.sentence(self._url, outages.cause_of(error)))

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
            connect_args=connect_args(self._url) | {"async_creator_fn": partial(_open, opened, self._schema)},
        )
        event.listen(engine.sync_engine, "checkout", _refuse_dead)
        return _Pool(engine, opened)


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


async def _open(
    opened: _Opened, schema: DatabaseSchema, *arguments: Any, **options: Any
) -> caller.CallersConnection:
    return await opened.add(await login(caller.connect(*arguments, role=schema.role, **options)))


@dataclass(frozen=True, slots=True)
class _Pool:
    """The connections of one event loop."""

    engine: AsyncEngine
    opened: _Opened
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[str, asyncio.Lock]
    )

    @asynccontextmanager
    async def connection(self, turns: Iterable[str]) -> AsyncGenerator[AsyncConnection]:
        """A connection, once it is the caller's turn in each of `turns`. Its owner waits for no turn."""
        async with AsyncExitStack() as stack:
            for name in sorted(turns):
                turn = self._turns.setdefault(name, asyncio.Lock())
                await stack.enter_async_context(turn)
            yield await stack.enter_async_context(self.engine.connect())

    async def close(self) -> None:
        await self.engine.dispose()
        await self.opened.close()


class Reach:
    """Access for one owner. Every statement on rows with an owner goes through it."""

    def __init__(self, engine: Engine, owner: Owner) -> None:
        self._engine = engine
        self._owner = owner

    def covers(self, table: Table) -> ColumnElement[bool]:
        """The condition that a row of `table` belongs to the owner."""
        return true() if self._owner is ANYONE else same(table.c.user_id, self._owner)

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        locks: Sequence[str] = (),
        turns: Sequence[str] = (),
        look: str = "",
    ) -> Sequence[RowMapping]:
        """Runs one statement. One with parameters must include `:anyone OR user_id = :owner` itself.

        See `Engine.execute` for the rest.
        """
        if parameters is not None:
            owner = None if self._owner is ANYONE else encoding.id_or_none(self._owner)
            parameters = {**parameters, "owner": owner, "anyone": self._owner is ANYONE}
        return await self._engine.execute(
            statement, parameters, owner=self._owner, locks=locks, turns=turns, look=look
        )


def _refuse_dead(connection: Any, *_: object) -> None:
    """Replaces a pooled connection that the server has closed.

    The socket of such a connection is readable; that of a healthy idle one isn't. The check needs no round
    trip.
    """
    with DefaultSelector() as selector:
        selector.register(connection.driver_connection, EVENT_READ)
        if selector.select(timeout=0):
            raise DisconnectionError
