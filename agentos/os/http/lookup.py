"""Finds which route of an app serves a path, as its router does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Match, Mount, WebSocketRoute
from starlette.routing import Route as PlainRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from agentos.os.http.problem_route import ProblemRoute
from agentos.os.policy.matrix import Route

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?(:\w+)?\}")
_UNRULED = {"HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Found:
    """The route that would serve a request. `match` is NONE without one, PARTIAL if the method is wrong."""

    match: Match = Match.NONE
    place: int = 0
    """Position among the app's routes. Of equally good matches, the first one serves."""
    pattern: str = "/*"
    """Its path in the syntax of scope maps."""
    methods: frozenset[str] = frozenset()
    """The methods of the path, if `match` is PARTIAL."""
    is_ours: bool = False
    """Whether the route belongs to AgentOS, not to the app that it was added to."""
    is_foreign: bool = False
    """Whether it belongs to the app that AgentOS was added to, which doesn't narrow listings."""

    @property
    def is_full(self) -> bool:
        """Whether a route matches both the path and the method."""
        return self.match is Match.FULL

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: smaller for the route that the router prefers."""
        return -self.match.value, self.place


def path_of(scope: Scope) -> str:
    """The request's path as the router compares it: without the prefix that the app is served under.

    In ASGI, `path` is the whole path and starts with `root_path` if the app is served under one.
    """
    path, root = scope["path"], scope.get("root_path", "")
    below = path.removeprefix(root)
    return below or "/" if path.startswith(root) and below[:1] in {"", "/"} else path


def without_slash(scope: Scope) -> str | None:
    """The whole path without its trailing slash; None if it has none to remove."""
    path = path_of(scope)
    return scope["path"].removesuffix("/") if path != "/" and path.endswith("/") else None


def app_of(scope: Scope) -> Starlette | None:
    """The app that handles the request; None outside of one."""
    app = scope.get("app")
    return app if isinstance(app, Starlette) else None


def served(scope: Scope) -> Found:
    """The route for the request, with or without a trailing slash."""
    other = without_slash(scope) or scope["path"] + "/"
    return min(find(scope, scope["path"]), find(scope, other), key=lambda found: found.order)


def asked(app: Starlette, method: str, path: str, *, root_path: str = "") -> Found:
    """The route for a hypothetical request. WebSockets count as GET."""
    probe: Scope = {
        "app": app,
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "headers": [],
        "query_string": b"",
    }
    found = served(probe)
    if found.match is Match.FULL or method != "GET":
        return found
    return min(found, served({**probe, "type": "websocket"}), key=lambda each: each.order)


def find(scope: Scope, path: str) -> Found:
    """The route for the request if its whole path were `path`."""
    app = app_of(scope)
    return Found(Match.FULL) if app is None else _find(app, {**scope, "path": path})


def _find(app: Starlette, probe: Scope) -> Found:
    partial: Found | None = None
    for place, (match, route) in enumerate(_matches(app, probe)):
        if match is Match.FULL:
            is_ours = isinstance(route.original_route, ProblemRoute)
            is_beside_ours = "agentos" in app.state
            is_foreign = is_beside_ours and not is_ours and isinstance(route.original_route, PlainRoute)
            return Found(match, place, _pattern(route), is_ours=is_ours, is_foreign=is_foreign)
        if match is Match.PARTIAL:
            methods = frozenset(route.methods or ())
            if partial is not None:
                place, methods = partial.place, methods | partial.methods
            partial = Found(match, place, _pattern(route), methods)
    return partial or Found()


def _matches(app: Starlette, probe: Scope) -> Iterator[tuple[Match, RouteContext]]:
    for route in iter_route_contexts(app.routes):
        match: Match = route.matches(probe)[0]
        yield match, route


def every(app: Starlette) -> list[Route]:
    """All routes of the app in the order of its router, including those of mounted apps."""
    return list(_routes(app.routes, "/"))


def documented(app: Starlette) -> dict[str, str]:
    """The paths of the app's OpenAPI document, in the syntax of scope maps."""
    return {
        route.path_format: _pattern(route)
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and route.path_format is not None
    }


def _routes(routes: Sequence[BaseRoute], prefix: str) -> Iterator[Route]:
    for route in iter_route_contexts(routes):
        original = route.original_route
        path = _joined(prefix, _pattern(route))
        if isinstance(original, Host):
            yield from _routes(original.routes, prefix)
        elif isinstance(original, Mount) and original.routes:
            yield from _routes(original.routes, path.removesuffix("*"))
        elif isinstance(original, Mount):
            yield Route(path, ("*",), "mount")
        elif isinstance(original, WebSocketRoute):
            yield Route(path, ("GET",), "websocket")
        else:
            yield Route(path, tuple(sorted(route.methods - _UNRULED)) if route.methods else ("*",))


def _joined(prefix: str, path: str) -> str:
    """A path below a prefix; below an open prefix, everything."""
    return prefix if prefix.endswith("*") else prefix.rstrip("/") + path if path != "/" else prefix


def _pattern(route: RouteContext) -> str:
    """The route's path in the syntax of scope maps. A `path` parameter becomes an open end."""
    parts: list[str] = []
    for part in (route.path or "").split("/"):
        parameter = _PARAMETER.search(part)
        if part:
            parts.append(_segment(part))
        if parameter is not None and parameter[2]:
            return "/" + "/".join(parts)
    if isinstance(route.original_route, Mount):
        parts.append("*")
    return "/" + "/".join(parts)


def _segment(part: str) -> str:
    parameter = _PARAMETER.fullmatch(part)
    if parameter is None:
        return "*" if "{" in part else part
    return "*" if parameter[2] else f"{{{parameter[1]}}}"


class TrailingSlash:
    """Strips one trailing slash, unless the router needs it.

    It does if a route or mount of the user's that matches the path with the slash precedes any that matches
    without it. Rules are always evaluated without the slash.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] in {"http", "websocket"}:
            bare = without_slash(scope)
            if bare is not None and find(scope, bare).order < find(scope, scope["path"]).order:
                scope = {**scope, "path": bare}
        await self._app(scope, receive, send)
