"""Column types beyond those of Postgres."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agentos.run.text import mended


class Instant(TypeDecorator[datetime]):
    """A point in time, UTC in Python. A value without a time zone is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Sets the time zone explicitly, so that Postgres doesn't guess it."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Converts to UTC, regardless of the connection's time zone."""
        return None if value is None else value.astimezone(UTC)


class Content(TypeDecorator[str]):
    """Text from users and models, repaired so that Postgres can store it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See `run.text.mended`."""
        return None if value is None else mended(value)


OBJECT = JSONB(none_as_null=True)
"""A JSON object that is merged or searched in the database."""
PAYLOAD = JSON(none_as_null=True)
"""A value that is returned exactly as stored, including key order and digits of numbers."""
TEXTS = ARRAY(Text)
