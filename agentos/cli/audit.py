"""`agentos audit`: proves that nobody has tampered with the audit, directly on the database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from agentos.cli.database import SchemaName, Url, on
from agentos.errors import ConfigurationError

if TYPE_CHECKING:
    from agentos.db.contracts.audit import Link

app = typer.Typer(no_args_is_help=True, help="What was denied and what was changed.")


@app.callback()
def _alone() -> None:
    """Keeps `verify` a verb though it is the only one."""


@app.command()
def verify(
    url: Url,
    schema: SchemaName = "ai",
    expect_head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="What an earlier run printed: shows if the end was cut off."),
    ] = None,
) -> None:
    """Follows the chain of hashes; exits with 1 at the first row that is edited, missing or moved.

    Note the head that it prints in another place: the next run can be told to expect it.
    """
    from agentos.os.audit import chain

    expected = None if expect_head is None else _link(expect_head)
    verdict = on(url, schema, lambda db: chain.verify(db, expected=expected))
    if verdict.bad_seq is not None:
        typer.echo(f"The audit has been tampered with: row {verdict.bad_seq} {verdict.problem}.")
        raise typer.Exit(1)
    typer.echo(f"{verdict.head.seq} rows, none of them touched. Head: {verdict.head.seq}:{verdict.head.hash}")


def _link(text: str) -> Link:
    from agentos.db.contracts.audit import Link

    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if match is None:
        raise ConfigurationError(f"--expect-head={text!r} isn't SEQ:HASH: give what an earlier run printed.")
    return Link(int(match[1]), match[2])
