"""An embedded Postgres, for trying things out and for tests."""

from agentos.db.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
