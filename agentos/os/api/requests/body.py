"""The base of request bodies about runs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from agentos.os.api_model import ApiModel
from agentos.run.media import File, Image


class Body(ApiModel):
    """A body that is sent as a form or as JSON. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    as_json: ClassVar[frozenset[str]] = frozenset()
    """Fields that a form contains as JSON text."""
    as_media: ClassVar[frozenset[str]] = frozenset()
    """Fields that may contain images or documents. With any, uploaded files are accepted."""

    @property
    def media(self) -> list[Image | File]:
        """The images and documents in it."""
        return []

    def attach(self, media: Image | File) -> None:
        """Adds an uploaded file. Ignored by default, as unknown fields are."""
