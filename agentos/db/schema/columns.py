"""The types of columns that are more than Postgres's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from agentos.run.text import mended


class Instant(TypeDecorator[datetime]):
    """A point in time, UTC in Python; one without a zone is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Never lets Postgres guess the zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """UTC, whatever the connection's zone is."""
        return None if value is None else value.astimezone(UTC)


class Content(TypeDecorator[str]):
    """Text that somebody wrote, mended so that Postgres can hold it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See `run.text.mended`."""
        return None if value is None else mended(value)


OBJECT = JSONB(none_as_null=True)
"""An object that is merged or searched in the database."""
PAYLOAD = JSON(none_as_null=True)
"""A value that comes back as it was stored: order of keys, digits of numbers."""
TEXTS = ARRAY(Text)
