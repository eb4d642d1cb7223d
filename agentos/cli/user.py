"""`agentos user`: what belongs to one user, directly in the database."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agentos.cli.database import SchemaName, Url, on

if TYPE_CHECKING:
    from agentos.db.contracts.deletion import Receipt

app = typer.Typer(no_args_is_help=True, help="What belongs to one user.")


@app.callback()
def _alone() -> None:
    """Keeps `delete` a verb though it is the only one."""


@app.command()
def delete(
    user_id: Annotated[str, typer.Argument(help="The user's id, as in their tokens' sub.")],
    url: Url,
    schema: SchemaName = "ai",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Deletes all sessions, runs, events, approvals and memories of a user, and prints a receipt.

    It happens at once or not at all, and not while runs of theirs are live. The receipt, which the audit
    gets too, names the user only by the SHA-256 of their id. What the audit says of them stays.
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
