"""The request body that starts a run."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, ClassVar

from pydantic import Field, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from agentos.os.api.requests.events import AnsweredBody
from agentos.os.http.field_types import Id, JsonObject, PathId, Text
from agentos.run.media import File, Image
from agentos.run.request import Multitask

MAX_MEDIA = 100
"""Images and documents in one message."""


class RunBody(AnsweredBody):
    """A request for a run. In forms, objects and arrays are JSON text. Fields not named here are ignored."""

    as_json: ClassVar[frozenset[str]] = frozenset(
        {
            "session_state",
            "dependencies",
            "metadata",
            "output_schema",
            "images",
            "input_files",
            "audio",
            "videos",
            "knowledge_filters",
        }
    )
    as_media: ClassVar[frozenset[str]] = frozenset({"images", "input_files"})

    message: Text = Field(min_length=1)
    """The user's message."""
    session_id: PathId | None = None
    """The session to continue; if omitted, a new one is created."""
    user_id: Id | None = None
    """The run's user, if the request has no token."""
    session_state: JsonObject = Field(default_factory=dict[str, Any])
    """Merged into the session's state, key by key."""
    dependencies: JsonObject = Field(default_factory=dict[str, Any])
    """Values for the agent's instructions and tools, by name."""
    metadata: JsonObject = Field(default_factory=dict[str, Any])
    """The caller's metadata for the run."""
    output_schema: JsonObject | None = None
    """A JSON schema that the answer must match."""
    add_history_to_context: bool | None = None
    """False: the model doesn't see earlier messages of the session."""
    images: list[Image] = Field(default_factory=list[Image], max_length=MAX_MEDIA)
    """Images sent with the message."""
    input_files: list[File] = Field(default_factory=list[File], max_length=MAX_MEDIA)
    """Documents sent with the message."""
    multitask: Multitask | None = None
    """Policy if another run of the session is live; defaults to the agent's."""
    audio: SkipJsonSchema[list[Any] | None] = None
    videos: SkipJsonSchema[list[Any] | None] = None
    knowledge_filters: SkipJsonSchema[Any] = None
    file: SkipJsonSchema[Any] = Field(default=None, exclude=True)
    files: SkipJsonSchema[Any] = Field(default=None, exclude=True)

    @field_validator("audio", "videos", "knowledge_filters")
    @classmethod
    def _supported(cls, value: object) -> object:
        """Refuses unsupported fields that would change the run, instead of ignoring them."""
        if value:
            raise PydanticCustomError("unsupported", "Not supported by this server")
        return value

    @field_validator("file", "files")
    @classmethod
    def _uploaded(cls, value: object) -> object:
        """Refuses the names of uploads outside multipart forms."""
        if value:
            raise PydanticCustomError(
                "file_unexpected",
                "Send documents as `input_files` and pictures as `images`, or upload them as multipart",
            )
        return value

    @field_validator("images", "input_files")
    @classmethod
    def _whole(cls, value: list[Image] | list[File]) -> list[Image] | list[File]:
        """Refuses media of earlier messages, which the client may not have."""
        if any(media.key is not None for media in value):
            raise PydanticCustomError("unsupported", "Send 'content' or 'url'; a 'key' is made by the server")
        return value

    @property
    def media(self) -> list[Image | File]:
        """See `Body.media`."""
        return [*self.images, *self.input_files]

    def attach(self, media: Image | File) -> None:
        """Adds an uploaded file to the message."""
        if isinstance(media, Image):
            self.images.append(media)
        else:
            self.input_files.append(media)

    def fingerprint(self, *others: str | None) -> str:
        """SHA-256 of the whole request, in hex. Independent of the encoding; files count by content.

        Hashing big files takes time: don't call it in the event loop.
        """
        made_up = {"__all__": {"id"}}
        told = self.model_dump(mode="json", exclude={"images": made_up, "input_files": made_up})
        asked = [*others, told]
        return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
