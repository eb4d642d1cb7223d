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
    takes_files: ClassVar[bool] = False
    """Whether it accepts uploaded files."""

    def attach(self, media: Image | File) -> None:
        """Adds an uploaded file. Ignored by default, as unknown fields are."""
