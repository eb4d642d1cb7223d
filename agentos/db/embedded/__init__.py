"""A Postgres of one's own, for a first try and for tests."""

from agentos.db.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
