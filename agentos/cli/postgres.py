"""`agentos postgres`: the embedded Postgres, for as long as the command runs."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from agentos.cli.demo import terminable


def postgres(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="On 127.0.0.1. The default is that of docker-compose.yml.")
    ] = 5532,
    data_dir: Annotated[Path | None, typer.Option(help="The folder of Postgres's data.")] = None,
) -> None:
    """Runs a Postgres for development until Ctrl-C. Needs the extra `embedded`.

    It has a database and a role `ai` with a well-known password: keep nothing secret in it.
    """
    from agentos.db.embedded import EmbeddedPostgres

    with terminable(), suppress(KeyboardInterrupt), EmbeddedPostgres(data_dir, port=port) as server:
        address = server.url().replace("127.0.0.1", "localhost")
        typer.echo(f"Ready (Ctrl-C stops it). In another terminal:\n\nexport DATABASE_URL={address}")
        while True:
            signal.pause()
