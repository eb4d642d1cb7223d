"""What an app's router would do with a path, asked beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi.routing import RouteContext, iter_route_contexts
from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.routing import Match, Mount
from starlette.types import Scope

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?(:\w+)?\}")


@dataclass(frozen=True, slots=True)
class Found:
    """The route that would serve a request. `match` is NONE if none would, PARTIAL if the method is wrong."""

    match: Match = Match.NONE
    place: int = 0
    """Among the app's routes; of those that match equally well, the first serves."""
    pattern: str = "/*"
    """Its path in the language of scope maps."""
    methods: frozenset[str] = frozenset()
    """Those that the path knows, when `match` is PARTIAL."""

    @property
    def order(self) -> tuple[int, int]:
        """Smaller for the route that the router would rather take."""
        return -self.match.value, self.place


def path_of(scope: Scope) -> str:
    """The request's path as the router compares it: without the prefix that the app is served under."""
    return get_route_path(scope) or "/"


def without_slash(scope: Scope) -> str | None:
    """The whole path without its trailing slash; None if it has none to lose."""
    path = path_of(scope)
    return scope["path"].removesuffix("/") if path != "/" and path.endswith("/") else None


def app_of(scope: Scope) -> Starlette | None:
    """The app that handles the request; None outside of any."""
    app = scope.get("app")
    return app if isinstance(app, Starlette) else None


def served(scope: Scope) -> Found:
    """What the app would do with the request, whether or not its path ends in a slash."""
    other = without_slash(scope) or scope["path"] + "/"
    return min(find(scope, scope["path"]), find(scope, other), key=lambda found: found.order)


def find(scope: Scope, path: str) -> Found:
    """What the app would do with the request if its whole path were `path`."""
    app = app_of(scope)
    return Found(Match.FULL) if app is None else _find(app, {**scope, "path": path})


def _find(app: Starlette, probe: Scope) -> Found:
    partial: Found | None = None
    for place, (match, route) in enumerate(_matches(app, probe)):
        if match is Match.FULL:
            return Found(match, place, _pattern(route))
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


def _pattern(route: RouteContext) -> str:
    parts = [_segment(part) for part in (route.path or "").split("/") if part]
    if isinstance(route.original_route, Mount):
        parts.append("*")
    return "/" + "/".join(parts)


def _segment(part: str) -> str:
    parameter = _PARAMETER.fullmatch(part)
    if parameter is None:
        return "*" if "{" in part else part
    return "*" if parameter[2] else f"{{{parameter[1]}}}"
