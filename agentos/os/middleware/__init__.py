"""ASGI middleware for `app.add_middleware`."""
