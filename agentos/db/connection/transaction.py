"""Transactions of several statements for one caller, each on its own connection.

Requests need one statement each and don't use this; maintenance and session transfer do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, Final, Literal

from sqlalchemy import Executable, NullPool, RowMapping, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from agentos.db import encoding
from agentos.db.connection.login import Connection, login
from agentos.db.connection.url import connect_args
from agentos.run.owner import ANYONE, Owner

Isolation = Literal["READ COMMITTED", "REPEATABLE READ"]
"""Whether each statement sees the latest commits, or all see one snapshot."""

_SPEAK: Final = text(
    "SELECT set_config('agentos.owner', :owner, true), set_config('agentos.anyone', :anyone, true)"
)
_ROLE: Final = text("SELECT current_setting('role')")
_ACT_AS: Final = text("SELECT set_config('role', :role, true)")


class Transactions:
    """Opens transactions. The constructor doesn't connect."""

    def __init__(self, url: URL) -> None:
        self._url = url

    @asynccontextmanager
    async def begun(
        self, owner: Owner, *, role: str, isolation: Isolation = "READ COMMITTED"
    ) -> AsyncGenerator[Transaction]:
        """A transaction for `owner`, acting as `role`. An error inside rolls it back."""
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level=isolation)
            async with connection.begin():
                login = str(await connection.scalar(_ROLE))
                transaction = Transaction(connection, owner, role=role or login, login=login)
                await transaction.begin()
                yield transaction

    @cached_property
    def _engine(self) -> AsyncEngine:
        return create_async_engine(
            self._url,
            poolclass=NullPool,
            use_native_hstore=False,
            json_serializer=encoding.dump,
            json_deserializer=encoding.load,
            hide_parameters=True,
            connect_args=connect_args(self._url) | {"async_creator_fn": _connected},
        )


class Transaction:
    """An open transaction, which sees only the rows of its owner."""

    def __init__(self, connection: AsyncConnection, owner: Owner, *, role: str, login: str) -> None:
        self._connection = connection
        self._owner = owner
        self._role = role
        self._login = login

    async def begin(self) -> None:
        """Sets the owner in Postgres."""
        is_anyone = self._owner is ANYONE
        user_id = None if self._owner is ANYONE else encoding.id_or_none(self._owner)
        await self._connection.execute(_SPEAK, {"owner": user_id or "", "anyone": "on" if is_anyone else ""})
        await self._connection.execute(_ACT_AS, {"role": self._role})

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[RowMapping]:
        """Runs one statement. One with parameters must include `:anyone OR user_id = :owner` itself."""
        if parameters is not None:
            user_id = None if self._owner is ANYONE else encoding.id_or_none(self._owner)
            parameters = {**parameters, "owner": user_id, "anyone": self._owner is ANYONE}
        result = await self._connection.execute(statement, parameters)
        return result.mappings().all() if result.returns_rows else []

    @asynccontextmanager
    async def as_login(self) -> AsyncGenerator[None]:
        """Inside, statements act as the login role: for tables that aren't ours."""
        await self._connection.execute(_ACT_AS, {"role": self._login})
        yield
        await self._connection.execute(_ACT_AS, {"role": self._role})


async def _connected(*arguments: Any, **options: Any) -> Connection:
    return await login(Connection.connect(*arguments, **options))
