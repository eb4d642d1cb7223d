"""Media in Postgres: rows of their own, one for the same bytes in a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import psycopg
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import ARRAY, Dialect, Text, select
from sqlalchemy.types import NullType, TypeDecorator

from agentos.db.contracts.runs import OpenedRun
from agentos.db.filters import among, same
from agentos.db.schema.columns import Content
from agentos.db.stores.session_keys import SessionKeys
from agentos.run.owner import Owner
from agentos.run.records import RunOutput, media_of


class _Contents(list[bytes]):
    """Bytes that psycopg sends as they are. In a plain list it would write them as text, far more slowly."""


psycopg.adapters.register_dumper(_Contents, ListBinaryDumper)


class _ByteaArray(TypeDecorator[list[bytes]]):
    impl = NullType
    cache_ok = True

    def process_bind_param(self, value: list[bytes] | None, dialect: Dialect) -> _Contents:
        return _Contents(value or ())


KEPT: Final[dict[str, Any]] = {
    "media_keys": ARRAY(Text),
    "mime_types": ARRAY(Content()),
    "contents": _ByteaArray(),
}
"""Types of the parameters that `keeping` gives."""


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """The bytes of an image or a document."""

    key: str
    """Their SHA-256 in hexadecimal."""
    mime_type: str | None
    """What their sender says that they are."""
    content: bytes


class MediaStore(SessionKeys):
    """Images and documents that were sent with messages, or made by tools."""

    async def get_media(self, session_id: str, key: str, *, owner: Owner) -> StoredMedia | None:
        """The bytes with this key, or None."""
        table, reach = self._tables.media, self._reach(owner)
        inside = self._is_inside(table, session_id, owner)
        rows = await reach.execute(
            select(table.c.key, table.c.mime_type, table.c.content).where(
                inside, same(table.c.key, key), reach.covers(table)
            )
        )
        return StoredMedia(**rows[0]) if rows else None

    async def _with_media(self, opened: OpenedRun, owner: Owner) -> OpenedRun:
        """The run with the bytes that its messages, its input and its history refer to."""
        wanted = [
            media
            for media in media_of(opened.run.input, [*opened.run.messages, *opened.history])
            if media.key is not None and media.content is None
        ]
        if wanted:
            table, runs, reach = self._tables.media, self._tables.runs, self._reach(owner)
            inside = select(runs.c.session_id).where(same(runs.c.run_id, opened.run.run_id))
            keys = sorted({media.key for media in wanted if media.key is not None})
            rows = await reach.execute(
                select(table.c.key, table.c.content).where(
                    table.c.session_id.in_(inside), among(table.c.key, keys), reach.covers(table)
                )
            )
            contents = {row["key"]: row["content"] for row in rows}
            for media in wanted:
                media.content = contents.get(media.key)
        return opened


@asynccontextmanager
async def keeping(run: RunOutput) -> AsyncGenerator[dict[str, Any]]:
    """Parameters that store the bytes which the run has brought.

    The bytes have a key from then on, unless the code inside raises.
    """
    messages = [message for message in run.messages if not message.from_history]
    new = [
        (media, media.content)
        for media in media_of(run.input, messages)
        if media.content is not None and media.key is None
    ]
    keys = await asyncio.to_thread(_hashed, [content for _, content in new]) if new else []
    unique = {key: (media.mime_type, content) for (media, content), key in zip(new, keys, strict=True)}
    for (media, _), key in zip(new, keys, strict=True):
        media.key = key
    try:
        yield {
            "media_keys": [*unique],
            "mime_types": [mime_type for mime_type, _ in unique.values()],
            "contents": [content for _, content in unique.values()],
        }
    except BaseException:
        for media, _ in new:
            media.key = None
        raise


def _hashed(contents: Sequence[bytes]) -> list[str]:
    return [sha256(content).hexdigest() for content in contents]
