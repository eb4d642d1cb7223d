"""Images and documents that are sent with a message: bytes, or a URL that the model fetches.

A database keeps the bytes apart from the message, once per session, under their hash: `key`.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pydantic import (
    Base64Bytes,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from agentos.run.value import Value


class Media(Value):
    """Either bytes, as `content` or under a `key`, or a `url`."""

    model_config = ConfigDict(extra="ignore")

    # Descriptions for OpenAPI. Pydantic could read them from docstrings, but not as fast as agents import.
    id: str = Field(default_factory=lambda: uuid4().hex, description="Made up if left out.")
    content: Base64Bytes | None = Field(
        default=None,
        description="The bytes, in Base64. Left out where the session keeps them: then there is a `key`.",
    )
    key: str | None = Field(
        default=None,
        description="SHA-256 of bytes that the session keeps: `GET /sessions/{session_id}/media/{key}`.",
    )
    url: str | None = Field(
        default=None, description="An address the model's provider fetches; this server never does."
    )
    mime_type: str | None = Field(default=None, description="Its type, such as `image/png`.")
    filename: str | None = Field(default=None, description="Its name.")

    @model_validator(mode="after")
    def _one_source(self) -> Media:
        if (self.content is None and self.key is None) == (self.url is None):
            raise ValueError("give exactly one of 'content' (base64) and 'url'")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_kept(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        if self.key is None:
            return dump(self)
        fields: dict[str, Any] = dump(self.model_copy(update={"content": None}))
        fields.pop("content", None)
        return fields


class Image(Media):
    """An image."""

    detail: str | None = Field(
        default=None, description="`low`, `high` or `auto`: how closely the model looks."
    )


class File(Media):
    """A document: PDF, text, table and so on."""
