"""Runs an app under uvicorn, or without HTTP."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from inspect import signature
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, Final

import click
import uvicorn
from click.core import ParameterSource
from fastapi import FastAPI
from rich.console import Console
from rich.text import Text
from starlette.applications import Starlette
from uvicorn.config import LOGGING_CONFIG

from agentos import environment
from agentos.errors import ConfigurationError
from agentos.os.server.bind_check import refuse_open
from agentos.utils.names import hint

MAX_PORT = 65535
WORKER_SECONDS: Final = 20
"""Seconds after which one of several unresponsive processes is killed, with all its runs. Uvicorn's default
of five is less than a start takes on a busy machine."""
_OPTIONS: Final = frozenset(signature(uvicorn.run).parameters)
_REFUSED: Final = {
    **dict.fromkeys(("app_dir", "factory", "interface", "lifespan"), "the app determines it"),
    **dict.fromkeys(("host", "port", "reload", "workers"), "give it before a `--`"),
    "env_file": "the app is imported first, so set its variables before the command",
}
"""Options of uvicorn's command that aren't passed on, and why."""
_RAISED: Final = f"{ConfigurationError.__module__}.{ConfigurationError.__qualname__}: "


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
    """Runs `app` until it is stopped. `uvicorn_options` are those of `uvicorn.run`.

    `reload` and more than one of `workers` need `app` as `"module:attribute"`, since other processes import
    it. A ConfigurationError at start-up is logged as one sentence, and the process exits. An app without
    authentication is refused on a non-local address, unless `allow_unauthenticated` is set.
    """
    if not isinstance(app, str) and (reload or (workers or 1) > 1):
        raise ConfigurationError(
            "reload and workers need app as an import string: serve(app='module:attribute')."
        )
    _check_options(uvicorn_options)
    if not allow_unauthenticated and not uvicorn_options.get("uds"):
        # Where a socket listens that another program has opened isn't known.
        where = host if uvicorn_options.get("fd") is None else "fd"
        refuse_open(app, where, factory=bool(uvicorn_options.get("factory")))
    if uvicorn_options.get("uds") is None and uvicorn_options.get("fd") is None:
        check_port(host, port)
    Console().print(Text.assemble((title, "bold"), f" on http://{host}:{port}, docs at /docs"))
    uvicorn_options.setdefault("log_config", _log_config())
    uvicorn_options.setdefault("timeout_worker_healthcheck", WORKER_SECONDS)
    uvicorn.run(app, host=host, port=port, reload=reload, workers=workers, **uvicorn_options)


def work(app: Starlette, *, title: str) -> None:
    """Executes the runs of `app` without HTTP until the process is stopped."""
    asyncio.run(_working(app, title))


async def _working(app: Starlette, title: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with app.router.lifespan_context(app):
        Console().print(Text.assemble((title, "bold"), " works; Ctrl+C ends it"))
        await stop.wait()


class OneSentence(logging.Filter):
    """Logs only the sentence of a ConfigurationError, since its traceback doesn't help operators."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Uvicorn logs a failed start as a text from Starlette that ends in the error."""
        error = record.exc_info[1] if record.exc_info else None
        _, is_ours, sentence = record.getMessage().rstrip().rpartition(_RAISED)
        if isinstance(error, ConfigurationError):
            record.msg, record.args, record.exc_info = str(error), (), None
        elif is_ours:
            record.msg, record.args = sentence, ()
        return True


def _log_config() -> dict[str, Any]:
    """Uvicorn's own configuration, which also reaches the processes that it starts."""
    config: dict[str, Any] = deepcopy(LOGGING_CONFIG)
    config["filters"] = {"one_sentence": {"()": OneSentence}}
    config["loggers"]["uvicorn.error"]["filters"] = ["one_sentence"]
    return config


def address(host: str, port: int) -> tuple[str, int]:
    """Host and port as the environment sets them, or as given. ConfigurationError if it is no port."""
    named = environment.read("AGENTOS_PORT")
    wanted = str(port) if named is None else named
    if not wanted.isdecimal() or int(wanted) > MAX_PORT:
        source = "port" if named is None else "AGENTOS_PORT"
        raise ConfigurationError(f"{source}={wanted!r} isn't a port: give a number up to {MAX_PORT}.")
    return environment.read("AGENTOS_HOST") or host, int(wanted)


def check_port(host: str, port: int) -> None:
    """ConfigurationError if the port is taken. One whose last connections are still closing is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:  # any other is uvicorn's to report
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(f"Port {port} on {host} is taken: give another port.") from error


def parsed(target: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What uvicorn's own command makes of command-line arguments, as options of `uvicorn.run`."""
    try:
        context = uvicorn.main.make_context("agentos serve", [target, *arguments])
    except click.ClickException as error:
        raise ConfigurationError(f"{error.format_message()} `uvicorn --help` lists its options.") from None
    except click.exceptions.Exit as end:  # it has said its version
        raise SystemExit(end.exit_code) from None
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name != "app"
    }
    if refused := _REFUSED.keys() & given.keys():
        option = min(refused)
        raise ConfigurationError(f"Leave out --{option.replace('_', '-')}: {_REFUSED[option]}.")
    if "headers" in given:
        given["headers"] = [_header(text) for text in given["headers"]]
    return given


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigurationError(f"--header={text!r} has no colon: give NAME:VALUE.")
    return name, value


def _check_options(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in _OPTIONS:
            raise ConfigurationError(f"{name} is no option of uvicorn.run.{hint(name, _OPTIONS)}")


@contextmanager
def on_termination(act: Callable[[], None]) -> Generator[None]:
    """Calls `act` in the running loop on a termination signal, before the previous handler.

    Uvicorn reports shutdown only after its connections are closed, but those that follow long runs stay open.
    Works only in the main thread, which receives the signals.
    """
    if current_thread() is not main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(act)
        previous = before[signal.Signals(number)]
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, previous in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, previous)
