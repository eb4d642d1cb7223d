"""ASGI middleware for `app.add_middleware`."""

from agentos.os.middleware.credentials import TokenSource
from agentos.os.middleware.jwt import JWTMiddleware
from agentos.os.middleware.slash import TrailingSlash

__all__ = ["JWTMiddleware", "TokenSource", "TrailingSlash"]
