"""The `agentos` command. Each subcommand imports its dependencies when it runs, so that `--help` is fast."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import agentos
from agentos.cli import compliance, db, demo, keys, scopes, serve, service_account, token
from agentos.errors import AgentOSError

app = typer.Typer(
    name="agentos",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Serves agents over HTTP.",
)
app.command()(demo.demo)
app.command()(demo.postgres)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve.serve)
app.command()(serve.worker)
app.add_typer(compliance.audit, name="audit")
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")
app.add_typer(scopes.app, name="scopes")
app.add_typer(service_account.app, name="service-account")
app.add_typer(token.app, name="token")
app.add_typer(compliance.user, name="user")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(agentos.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def main() -> None:
    """Runs the command. Our own errors print one sentence to standard error and exit with status 1."""
    try:
        app()
    except AgentOSError as error:
        typer.echo(f"agentos: {error}", err=True)
        sys.exit(1)
