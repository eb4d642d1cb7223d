"""`agentos demo`: a complete server to try out. `agentos postgres`: its database alone, for development."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agentos import environment

if TYPE_CHECKING:
    from rich.status import Status

HOST = "127.0.0.1"
"""Always loopback: the demo's database has a well-known password."""

_READY = """
Ready: {url}  (its API: {url}/docs; Ctrl-C stops it)

{exports}

# Basic may read agents,
curl -H "Authorization: Bearer $BASIC_TOKEN" {url}/agents
# but not run them.
curl -H "Authorization: Bearer $BASIC_TOKEN" -F message=hello {url}/agents/research-agent/runs
# Power may do both. The model, which works offline, calls the tools you allude to or name.
curl -N -H "Authorization: Bearer $POWER_TOKEN" -F "message=How many words are in this sentence?" \\
  {url}/agents/research-agent/runs
curl -H "Authorization: Bearer $POWER_TOKEN" -F 'message=use add_memory with {{"memory": "Likes tea"}}' \\
  -F stream=false {url}/agents/research-agent/runs
# Admin may list sessions, and sees its own: none yet.
curl -H "Authorization: Bearer $ADMIN_TOKEN" {url}/sessions
# Superadmin sees everyone's.
curl -H "Authorization: Bearer $SUPERADMIN_TOKEN" {url}/sessions
curl -H "Authorization: Bearer $SUPERADMIN_TOKEN" {url}/memories
"""


def demo(
    port: Annotated[
        int, typer.Option(min=1, max=65535, envvar=environment.names("AGENTOS_PORT"), help="On 127.0.0.1.")
    ] = 7777,
    data_dir: Annotated[Path | None, typer.Option(help="The folder of Postgres's data.")] = None,
) -> None:
    """Serves an agent on this machine, with its own Postgres, an offline model and four tokens."""
    from agentos.os.server.serve import check_port

    check_port(HOST, port)
    secret = environment.read("AGENTOS_JWT_VERIFICATION_KEY") or secrets.token_urlsafe(48)
    with _terminable(), _progress() as step:
        step("Loading")
        from agentos.cli import demo_app
        from agentos.db.embedded import EmbeddedPostgres

        exports = _exports(demo_app.tokens(secret))

        def ready() -> None:
            step(None)
            typer.echo(_READY.format(url=f"http://{HOST}:{port}", exports=exports))

        step("Starting Postgres (the first time takes some seconds)")
        with EmbeddedPostgres(data_dir) as postgres:
            step("Creating tables and starting the server")
            demo_app.serve(postgres.url(), secret, host=HOST, port=port, ready=ready)


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

    with _terminable(), suppress(KeyboardInterrupt), EmbeddedPostgres(data_dir, port=port) as server:
        address = server.url().replace("127.0.0.1", "localhost")
        typer.echo(f"Ready (Ctrl-C stops it). In another terminal:\n\nexport DATABASE_URL={address}")
        while True:
            signal.pause()


def _exports(tokens: dict[str, str]) -> str:
    return "\n".join(f'export {who}_TOKEN="{token}"' for who, token in tokens.items())


@contextmanager
def _terminable() -> Generator[None]:
    """Makes SIGTERM unwind the stack as Ctrl-C does, so that Postgres is stopped too."""

    def leave(*_: object) -> NoReturn:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress() -> Generator[Callable[[str | None], None]]:
    """Returns a function that shows the current step on standard error until the next step, or None."""
    from rich.console import Console

    console = Console(stderr=True)
    status: Status | None = None
    began, doing = perf_counter(), ""

    def finish() -> None:
        nonlocal status
        if status is not None:
            status.stop()
            console.print(f"[green]✓[/] {doing} [dim]{perf_counter() - began:.1f} s[/]")
            status = None

    def step(name: str | None) -> None:
        nonlocal status, began, doing
        finish()
        if name is not None:
            began, doing = perf_counter(), name
            status = console.status(name)
            status.start()

    try:
        yield step
    finally:
        if status is not None:
            status.stop()
