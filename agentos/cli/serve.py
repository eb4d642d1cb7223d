"""`agentos serve` and `agentos worker`: run the app of a module, with or without HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from agentos import environment
from agentos.errors import ConfigurationError


def serve(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTRIBUTE", help="An AgentOS or a FastAPI app.")],
    host: Annotated[
        str,
        typer.Option(envvar=environment.names("AGENTOS_HOST"), help="0.0.0.0 listens on every address."),
    ] = "localhost",
    port: Annotated[int, typer.Option(min=0, max=65535, envvar=environment.names("AGENTOS_PORT"))] = 7777,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when a file changes.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    allow_unauthenticated: Annotated[
        bool,
        typer.Option("--allow-unauthenticated", help="Allow remote access to an app without authentication."),
    ] = False,
) -> None:
    """Serves an app from a module in this folder, e.g. `agentos serve main:app`.

    Other options are uvicorn's, like --root-path, --forwarded-allow-ips, --ssl-keyfile, --log-level and
    --log-config: `uvicorn --help` lists them.
    """
    if reload and workers > 1:
        raise ConfigurationError("--reload starts one process: leave out --workers, or --reload.")
    # A console script's own folder is first on the path, not the one that it is called in.
    sys.path.insert(0, str(Path.cwd()))
    from agentos.os import import_target
    from agentos.os.server import serve

    options = serve.parsed(target, context.args)
    found = import_target.find(target)
    serve.serve(
        found.path,
        title=target,
        host=host,
        port=port,
        reload=reload,
        workers=workers,
        allow_unauthenticated=allow_unauthenticated,
        factory=found.is_factory,
        lifespan="on",
        **options,
    )


def worker(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTRIBUTE", help="An AgentOS or its FastAPI app.")],
) -> None:
    """Executes the background and durable runs of a module in this folder, e.g. `agentos worker main:app`.

    It shares the queue with all servers and workers on the same database. On SIGTERM, durable runs are handed
    to other processes. Other runs get the AgentOS's `shutdown_grace` to finish.
    """
    # A console script's own folder is first on the path, not the one that it is called in.
    sys.path.insert(0, str(Path.cwd()))
    from agentos.os import import_target
    from agentos.os.server import serve

    serve.work(import_target.load(target), title=target)
