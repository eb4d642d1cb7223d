"""`agentos db`: looks at the tables in Postgres, creates and upgrades them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agentos.db.schema import Schema

app = typer.Typer(no_args_is_help=True, help="The tables in Postgres.")

Url = Annotated[
    str,
    typer.Option(
        envvar=["AGENTOS_DB_URL", "DATABASE_URL"],
        help="postgresql+psycopg://user:password@host:5432/database",
    ),
]
SchemaName = Annotated[str, typer.Option(help="The schema that holds the tables.")]


@app.command()
def upgrade(url: Url, schema: SchemaName = "ai") -> None:
    """Creates the tables, or brings them up to date. Several may try at once; all or nothing happens."""
    tables = _schema(url, schema)
    before, after = tables.status(), tables.upgrade()
    if before == after:
        typer.echo(f"The tables were up to date: revision {after.current}.")
    else:
        typer.echo(f"Upgraded from {before.current or 'nothing'} to revision {after.current}.")


@app.command()
def status(url: Url, schema: SchemaName = "ai") -> None:
    """Says whether the tables are up to date; exits with 1 if not."""
    found = _schema(url, schema).status()
    if found.is_current:
        typer.echo(f"The tables are up to date: revision {found.current}.")
        return
    typer.echo(
        f"The tables are at {found.current or 'nothing'}, {found.head} is needed: run `agentos db upgrade`."
    )
    raise typer.Exit(1)


def _schema(url: str, schema: str) -> Schema:
    from agentos.db.postgres import PostgresDb

    return PostgresDb(url, db_schema=schema).schema
