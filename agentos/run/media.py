"""Pictures and documents that travel with a message: bytes, or an address the model fetches itself."""

from __future__ import annotations

from uuid import uuid4

from pydantic import Base64Bytes, ConfigDict, Field, model_validator

from agentos.run.value import Value


class Media(Value):
    """Exactly one of `content` and `url`."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(default_factory=lambda: uuid4().hex)
    content: Base64Bytes | None = None
    """The bytes; base64 on the wire and in the database."""
    url: str | None = None
    """An address the model's provider fetches; this server never does."""
    mime_type: str | None = None
    filename: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Media:
        if (self.content is None) == (self.url is None):
            raise ValueError("give exactly one of 'content' (base64) and 'url'")
        return self


class Image(Media):
    """A picture."""

    detail: str | None = None
    """`low`, `high` or `auto`: how closely the model looks."""


class File(Media):
    """A document: PDF, text, a table and the like."""
