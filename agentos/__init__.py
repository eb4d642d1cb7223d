"""Serves AI agents over HTTP and stores their runs, sessions and memories in Postgres."""

__version__ = "0.1.0"
