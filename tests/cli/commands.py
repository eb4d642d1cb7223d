"""The command, called in this process."""

import asyncio
from dataclasses import dataclass

from typer.testing import CliRunner

from agentos.cli import app
from agentos.db.postgres import PostgresDb
from agentos.environment import ALIASES, names
from agentos.errors import AgentOSError


@dataclass(frozen=True)
class Called:
    status: int
    output: str
    refusal: str
    """The sentence of an error of ours, which `main` prints."""


def agentos(*arguments: object, env: dict[str, str] | None = None, stdin: str | None = None) -> Called:
    """Runs `agentos …`; what isn't an error of ours fails the test."""
    given = dict.fromkeys(variable for name in ALIASES for variable in names(name))
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], env=given | (env or {}), input=stdin
    )
    match result.exception:
        case None | SystemExit():
            return Called(result.exit_code, result.output, "")
        case AgentOSError():
            return Called(1, result.output, str(result.exception))
        case _:
            raise result.exception


def stored(url: str, work):
    """What `work` makes of the database at `url`."""

    async def connected():
        db = PostgresDb(url, pool_size=1)
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(connected())
