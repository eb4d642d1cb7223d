"""agentos serves agents: runs, sessions and memories over HTTP, stored in Postgres."""

__version__ = "0.1.0"
