"""Refuses to serve an app without authentication beyond this machine."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, cast

from starlette.applications import Starlette
from starlette.routing import Mount
from uvicorn.importer import ImportFromStringError, import_from_string

from agentos.errors import ConfigurationError
from agentos.os.auth.inspection import gates_of
from agentos.os.auth.middleware import Gate


def refuse_open(app: object, host: str, *, factory: bool) -> None:
    """ConfigurationError if `host` isn't local and the app has none of our authentication.

    `app` is an app or its import string, with `factory` a function that creates one. Third-party
    authentication in front of the app can't be detected.
    """
    if is_loopback(host) or _asks(_loaded(app, factory=factory)):
        return
    raise ConfigurationError(
        f"On host={host!r} anyone who can reach this server could use it without authentication. Pass "
        "authorization=True to AgentOS, add JWTMiddleware, or allow it with allow_unauthenticated=True "
        "(--allow-unauthenticated)."
    )


def is_loopback(host: str) -> bool:
    """Whether the address is only reachable locally. Names other than `localhost` aren't trusted."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _loaded(app: object, *, factory: bool) -> object:
    if isinstance(app, str):
        try:
            app = import_from_string(app)
        except ImportFromStringError as error:
            raise ConfigurationError(
                f"app={app!r} can't be imported, so its authentication can't be checked: correct it."
            ) from error
    return cast("Callable[[], Any]", app)() if factory else app


def _asks(app: object) -> bool:
    """Whether there is a gate around the app, in it, or in front of its mounts."""
    match app:
        case Gate():
            return True
        case Starlette():
            return bool(gates_of(app)) or any(
                isinstance(route, Mount) and _asks(route.app) for route in app.routes
            )
        case _:
            return False
