"""Makes one trailing slash nothing: `/config/` is `/config`, without a redirect."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from agentos.os.http.lookup import find, without_slash


class TrailingSlash:
    """Strips one trailing slash, unless the router has a use for it.

    It has if a route or a mount of the user's that takes the path with the slash comes before any that takes
    it without. Rules are judged without the slash either way.
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
