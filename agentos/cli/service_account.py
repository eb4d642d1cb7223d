"""`agentos service-account`: creates, lists and revokes service accounts, directly in the database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from agentos.cli.database import SchemaName, Url, on
from agentos.errors import NotFoundError

if TYPE_CHECKING:
    from agentos.db.contracts.service_accounts import ServiceAccount
    from agentos.db.postgres import PostgresDb

app = typer.Typer(no_args_is_help=True, help="Manage service accounts.")

PAGE = 1000


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Letters, digits, - and _; its rows belong to sa:NAME.")],
    url: Url,
    scopes: Annotated[str, typer.Option(help='What it may do, e.g. "agents:run sessions:read".')],
    schema: SchemaName = "ai",
    expires_in_days: Annotated[int, typer.Option(min=1, max=3650)] = 90,
    never_expires: Annotated[bool, typer.Option("--never-expires")] = False,
) -> None:
    """Creates an account and prints its token, which can't be shown again."""
    from agentos.os.tokens.service_accounts import hash_of, make

    lifetime = None if never_expires else timedelta(days=expires_in_days)
    account, token = make(name, scopes.split(), lifetime=lifetime)
    on(url, schema, lambda db: db.create_service_account(account, token_hash=hash_of(token)))
    typer.echo(token)


@app.command("list")
def list_(url: Url, schema: SchemaName = "ai") -> None:
    """Lists all accounts, newest first."""
    for account in on(url, schema, _all):
        state = "revoked" if account.revoked_at else f"until {account.expires_at:%Y-%m-%d}"
        if account.revoked_at is None and account.expires_at is None:
            state = "never expires"
        used = f"used {account.last_used_at:%Y-%m-%d %H:%M}" if account.last_used_at else "never used"
        typer.echo(f"{account.name}  {account.id}  {account.token_prefix}…  {state}  {used}")
        typer.echo(f"  {' '.join(account.scopes)}")


@app.command()
def revoke(
    account: Annotated[str, typer.Argument(help="The name or the id of the account.")],
    url: Url,
    schema: SchemaName = "ai",
) -> None:
    """Revokes an account. Every process that uses the database refuses its token from now on."""

    async def end(db: PostgresDb) -> None:
        live = [each for each in await _all(db) if each.revoked_at is None]
        found = [each.id for each in live if account in {each.name, each.id}]
        if not found:
            raise NotFoundError("Service account", account)
        await db.revoke_service_account(found[0])

    on(url, schema, end)
    typer.echo(f"Revoked {account}.")


async def _all(db: PostgresDb) -> list[ServiceAccount]:
    from agentos.db.contracts.service_accounts import AccountQuery

    page = await db.list_service_accounts(AccountQuery(limit=PAGE))
    found = page.rows
    while page.next_cursor is not None:
        page = await db.list_service_accounts(AccountQuery(limit=PAGE, cursor=page.next_cursor))
        found += page.rows
    return found
