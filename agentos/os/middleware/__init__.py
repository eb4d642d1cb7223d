"""ASGI middleware for `app.add_middleware`."""

from agentos.os.auth.jwt import JWTMiddleware
from agentos.os.auth_settings import TokenSource
from agentos.os.http.lookup import TrailingSlash

__all__ = ["JWTMiddleware", "TokenSource", "TrailingSlash"]
