"""Running an app under uvicorn."""

from __future__ import annotations

import os
from typing import Any

import uvicorn
from fastapi import FastAPI
from rich.console import Console
from rich.text import Text

from agentos.errors import ConfigurationError
from agentos.os.exposure import refuse_open

MAX_PORT = 65535


def serve(
    app: str | FastAPI,
    *,
    title: str,
    host: str = "localhost",
    port: int = 7777,
    reload: bool = False,
    workers: int | None = None,
    allow_unauthenticated: bool = False,
    **uvicorn_options: Any,
) -> None:
    """Runs `app` until it is stopped. `AGENT_OS_HOST` and `AGENT_OS_PORT` go first.

    `reload` and more than one of `workers` need `app` as `"module:attribute"`: other processes import it.
    On an address beyond this machine an app that asks nobody who they are is refused, unless
    `allow_unauthenticated` says that this is meant.
    """
    if not isinstance(app, str) and (reload or (workers or 1) > 1):
        raise ConfigurationError(
            "reload and workers need app as an import string: serve(app='module:attribute')."
        )
    host, port = os.environ.get("AGENT_OS_HOST") or host, _port(os.environ.get("AGENT_OS_PORT"), port)
    if not allow_unauthenticated and not uvicorn_options.get("uds"):
        refuse_open(app, host, factory=bool(uvicorn_options.get("factory")))
    Console().print(Text.assemble((title, "bold"), f" on http://{host}:{port}, docs at /docs"))
    uvicorn.run(app, host=host, port=port, reload=reload, workers=workers, **uvicorn_options)


def _port(named: str | None, port: int) -> int:
    if not named:
        return port
    if not named.isdecimal() or int(named) > MAX_PORT:
        raise ConfigurationError(f"AGENT_OS_PORT={named!r} isn't a port: give a number up to {MAX_PORT}.")
    return int(named)
