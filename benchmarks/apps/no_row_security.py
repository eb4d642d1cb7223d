"""The server under test without row-level security: its transactions name no caller.

They act as the role that has logged in; it owns the tables, which policies don't bind.
"""

from __future__ import annotations

from psycopg import AsyncCursor

from agentos.db.connection import caller
from benchmarks.apps.served import agent, app

__all__ = ["agent", "app"]

caller.CallersCursor = AsyncCursor
