"""Connections that tell Postgres whose transaction each one is, in the round trip of the statement itself.

Row-level security (`agentos.db.schema.row_security`) goes by it. The settings end with their transaction, so
nothing is left behind for the connection's next user, nor for another client of a pooler in between. Such a
pooler must know prepared statements, as PgBouncer has since 1.21 (`max_prepared_statements`).

It goes below psycopg's public interface, into how its cursors and pipelines share the work: see `_Trip`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Self

from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline, OperationalError
from psycopg.abc import Params, PQGen, QueryNoTemplate
from psycopg.generators import send
from psycopg.pq import ConnStatus
from sqlalchemy.ext.asyncio import AsyncConnection as SqlAlchemyConnection

from agentos.db.encoding import id_or_none
from agentos.run.owner import ANYONE, Owner

_SPEAK: Final = b"agentos_caller"
_LOCK: Final = b"agentos_lock"
"""The names of statements that each connection prepares."""
# All statements of a pipeline are one transaction. A setting of the role's own, made by an administrator for
# the login, is left alone.
_SETTINGS: Final = b"""
SELECT
    set_config('role', coalesce(nullif($1, ''), current_setting('role')), true),
    set_config('agentos.owner', $2, true),
    set_config('agentos.anyone', $3, true)
"""
_LOCKS: Final = b"SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"


class CallersConnection(AsyncConnection[Any]):
    """A connection in autocommit mode, each of whose statements is a transaction of one caller."""

    role = ""
    """Whom transactions act as; "" is the role that has logged in."""
    owner: Owner | None = None
    """Whose transaction the next statement is; after it, nobody's again."""
    locks: Sequence[int] = ()
    """The advisory locks that the next transaction takes before its statement looks at anything."""
    look: bytes = b""
    """What the next transaction finds out first, among everybody's rows."""

    def beforehand(self) -> list[Callable[[], None]]:
        """What is sent ahead of the next transaction's statement; good for one."""
        locks, self.locks = sorted(set(self.locks)), ()
        look, self.look = self.look, b""
        commands: list[Callable[[], None]] = []
        if locks:
            keys = "{" + ",".join(map(str, locks)) + "}"
            commands.append(partial(self.pgconn.send_query_prepared, _LOCK, [keys.encode()]))
        if look:
            everybody = [self.role.encode(), b"", b"on"]
            commands.append(partial(self.pgconn.send_query_prepared, _SPEAK, everybody))
            commands.append(partial(self.pgconn.send_query_params, look, None))
        commands.append(partial(self.pgconn.send_query_prepared, _SPEAK, self.settings()))
        return commands

    def settings(self) -> list[bytes]:
        """What the next transaction begins with; good for one."""
        owner, self.owner = self.owner, None
        if owner is ANYONE:
            return [self.role.encode(), b"", b"on"]
        user_id = id_or_none(owner) if owner else None
        return [self.role.encode(), (user_id or "").encode(self.info.encoding), b""]

    def as_caller(self, statement: PQGen[None]) -> PQGen[None]:
        """What `statement` sends, after the settings: one transaction, one round trip."""
        trip = self._pipeline = _Trip(self)
        self.pgconn.enter_pipeline_mode()
        try:
            for command in self.beforehand():
                trip.enqueue(command)
            yield from statement
            yield from trip.make()
        finally:
            self._pipeline = None
            self._leave_pipeline()

    def _leave_pipeline(self) -> None:
        if self.pgconn.status == ConnStatus.OK:
            try:
                self.pgconn.exit_pipeline_mode()
            except OperationalError:  # answers are outstanding: nobody must get those of another
                self.pgconn.finish()


class CallersCursor(AsyncCursor[Any]):
    """A cursor whose statements are the connection's caller's."""

    async def execute(  # pyright: ignore[reportIncompatibleMethodOverride] - takes no t-strings
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        """As psycopg's, once Postgres knows the caller."""
        connection = self.connection
        assert isinstance(connection, CallersConnection)
        statement = self._execute_gen(query, params, prepare=prepare, binary=binary)
        async with connection.lock:
            await connection.wait(connection.as_caller(statement))
        return self


class _Trip(AsyncPipeline):
    """A pipeline that sends all it was given at once.

    psycopg's own sends command by command and waits in between, which on a busy machine costs as much as a
    statement does.
    """

    def enqueue(self, command: Callable[[], None]) -> None:
        """Adds a command whose result nobody wants."""
        self.command_queue.append(command)
        self.result_queue.append(None)

    def make(self) -> PQGen[None]:
        """Sends everything and takes the results; raises the first error there is among them."""
        self._enqueue_sync()
        while self.command_queue:
            self.command_queue.popleft()()
        yield from send(self.pgconn)
        yield from self._fetch_gen(flush=False)

    def _communicate_gen(self) -> PQGen[None]:
        yield from ()


def of(connection: SqlAlchemyConnection) -> CallersConnection:
    """The connection beneath SQLAlchemy's."""
    sync = connection.sync_connection
    assert sync is not None
    found = sync.connection.driver_connection
    assert isinstance(found, CallersConnection)
    return found


async def connect(*arguments: Any, role: str, **options: Any) -> CallersConnection:
    """As psycopg's; transactions act as `role`."""
    connection = await CallersConnection.connect(*arguments, cursor_factory=CallersCursor, **options)
    connection.role = role
    async with connection.pipeline() as pipeline:
        for name, statement in ((_SPEAK, _SETTINGS), (_LOCK, _LOCKS)):
            pipeline.command_queue.append(partial(connection.pgconn.send_prepare, name, statement))
            pipeline.result_queue.append(None)
    return connection
