"""`agentos user` and `agentos audit`: user data and the audit, directly in the database."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agentos.cli.database import SchemaName, Url, on
from agentos.errors import ConfigurationError

if TYPE_CHECKING:
    from agentos.db.contracts.audit import Link
    from agentos.db.contracts.deletion import Receipt

user = typer.Typer(no_args_is_help=True, help="Manage the data of a user.")
audit = typer.Typer(no_args_is_help=True, help="Verify the audit.")


@user.callback()
@audit.callback()
def _alone() -> None:
    """Makes Typer keep the subcommand although it is the only one."""


@user.command()
def delete(
    user_id: Annotated[str, typer.Argument(help="The user's id, as in the sub of their tokens.")],
    url: Url,
    schema: SchemaName = "ai",
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Deletes all sessions, runs, events, approvals and memories of a user, and prints a receipt.

    Cancels the user's live runs, waits up to ten seconds for their end, and deletes everything in a single
    transaction. If it is interrupted, nothing is deleted: run it again. What the user sends afterwards is
    stored: revoke their access first. The receipt, which the audit also records, names the user only by the
    SHA-256 of their id. Existing rows of the audit are kept.
    """
    from agentos.db.contracts.deletion import record_of
    from agentos.os.audit import chain

    if not yes:
        typer.confirm(f"Delete everything that belongs to {user_id!r}?", abort=True, err=True)
    receipt = on(url, schema, lambda db: db.delete_user(user_id))
    typer.echo(json.dumps(asdict(receipt), default=str) if as_json else _shown(receipt))
    on(url, schema, lambda db: chain.append(db, [record_of(receipt)]))


def _shown(receipt: Receipt) -> str:
    lines = [f"Receipt  {receipt.receipt_id}", f"Time     {receipt.time:%Y-%m-%d %H:%M:%S} UTC"]
    lines += [f"User     {receipt.user_hash}", ""]
    lines += [f"{name:<10}{count:>10,}" for name, count in receipt.counts.items()]
    return "\n".join(lines)


@audit.command()
def verify(
    url: Url,
    schema: SchemaName = "ai",
    expect_head: Annotated[
        str | None,
        typer.Option(
            metavar="SEQ:HASH", help="The head that an earlier run printed; detects missing rows at the end."
        ),
    ] = None,
) -> None:
    """Verifies the audit's hash chain. Exits with 1 at the first row that was edited, deleted or moved.

    Store the head that it prints elsewhere, and pass it to the next run as the expected head.
    """
    from agentos.os.audit import chain

    expected = None if expect_head is None else _link(expect_head)
    verdict = on(url, schema, lambda db: chain.verify(db, expected=expected))
    if verdict.bad_seq is not None:
        typer.echo(f"The audit has been tampered with: row {verdict.bad_seq} {verdict.problem}.")
        raise typer.Exit(1)
    count, head = verdict.head.seq - verdict.start.seq, verdict.head
    if verdict.start.seq:
        typer.echo(f"Retention has deleted the rows up to {verdict.start.seq}.")
    typer.echo(f"{count} rows, all intact. Head: {head}")


def _link(text: str) -> Link:
    from agentos.db.contracts.audit import Link

    link = Link.parse(text)
    if link is None:
        raise ConfigurationError(
            f"--expect-head={text!r} isn't SEQ:HASH: give the head that an earlier run printed."
        )
    return link
