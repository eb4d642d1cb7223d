"""Shared parts of the commands that use the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agentos import environment

if TYPE_CHECKING:
    from agentos.db.postgres import PostgresDb

T = TypeVar("T")

Url = Annotated[
    str,
    typer.Option(
        envvar=environment.names("AGENTOS_DB_URL"),
        help="postgresql+psycopg://user:password@host:5432/database",
    ),
]
SchemaName = Annotated[str, typer.Option(help="The schema of the tables.")]


def on(url: str, schema: str, work: Callable[[PostgresDb], Awaitable[T]]) -> T:
    """Returns the result of `work` on the database. The tables must be up to date."""
    from agentos.db.postgres import PostgresDb

    async def connected() -> T:
        db = PostgresDb(url, db_schema=schema, create_schema=False, pool_size=1)
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(connected())
