"""Images and documents that are sent with a message: bytes, or a URL that the model fetches."""

from __future__ import annotations

from uuid import uuid4

from pydantic import Base64Bytes, ConfigDict, Field, model_validator

from agentos.run.value import Value


class Media(Value):
    """Exactly one of `content` and `url`."""

    model_config = ConfigDict(extra="ignore")

    # Descriptions for OpenAPI. Pydantic could read them from docstrings, but not as fast as agents import.
    id: str = Field(default_factory=lambda: uuid4().hex, description="Made up if left out.")
    content: Base64Bytes | None = Field(
        default=None, description="The bytes; base64 on the wire and in the database."
    )
    url: str | None = Field(
        default=None, description="An address the model's provider fetches; this server never does."
    )
    mime_type: str | None = Field(default=None, description="Its type, such as `image/png`.")
    filename: str | None = Field(default=None, description="Its name.")

    @model_validator(mode="after")
    def _one_source(self) -> Media:
        if (self.content is None) == (self.url is None):
            raise ValueError("give exactly one of 'content' (base64) and 'url'")
        return self


class Image(Media):
    """An image."""

    detail: str | None = Field(
        default=None, description="`low`, `high` or `auto`: how closely the model looks."
    )


class File(Media):
    """A document: PDF, text, table and so on."""
