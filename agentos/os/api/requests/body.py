"""What bodies of requests about runs have in common."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from agentos.os.api_model import ApiModel
from agentos.run.media import File, Image


class Body(ApiModel):
    """A body that comes as a form or as JSON. Fields that nobody knows are ignored."""

    model_config = ConfigDict(extra="ignore")

    as_json: ClassVar[frozenset[str]] = frozenset()
    """Fields that a form carries as JSON text."""
    takes_files: ClassVar[bool] = False
    """Whether files may be uploaded with it."""

    def attach(self, media: Image | File) -> None:
        """Takes an uploaded file; like unknown fields, it is ignored where nobody asks for one."""
