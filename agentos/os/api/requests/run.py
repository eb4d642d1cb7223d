"""What a caller may say about a run."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, ClassVar

from pydantic import Field, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from agentos.os.api.requests.body import Body
from agentos.os.http.field_types import Id, JsonObject, Text
from agentos.run.media import File, Image
from agentos.run.request import Multitask

MAX_MEDIA = 100
"""Pictures, and documents, that one message may carry."""


class RunBody(Body):
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
    takes_files: ClassVar[bool] = True

    message: Text = Field(min_length=1)
    """What the user says."""
    stream: bool = True
    """Server-sent events; otherwise the answer comes in one piece."""
    stream_events: bool = True
    """False leaves only the pieces of the answer."""
    session_id: Id | None = None
    """The conversation to go on with; without it a new one begins."""
    user_id: Id | None = None
    """Whose run it is, unless a token says so."""
    session_state: JsonObject = Field(default_factory=dict[str, Any])
    """Put over the session's state, key by key."""
    dependencies: JsonObject = Field(default_factory=dict[str, Any])
    """Values for the agent's instructions and tools, by name."""
    metadata: JsonObject = Field(default_factory=dict[str, Any])
    """What the caller notes about the run."""
    output_schema: JsonObject | None = None
    """A JSON schema that the answer must fit."""
    add_history_to_context: bool | None = None
    """False: the run sees nothing of the conversation before it."""
    images: list[Image] = Field(default_factory=list[Image], max_length=MAX_MEDIA)
    """Pictures that travel with the message."""
    input_files: list[File] = Field(default_factory=list[File], max_length=MAX_MEDIA)
    """Documents that travel with the message."""
    background: bool = False
    """Queued, and executed by any process; unless it is streamed, the answer is 202 with the run's id."""
    multitask: Multitask | None = None
    """What to do while another run of the session is live; without it the agent decides."""
    audio: SkipJsonSchema[list[Any] | None] = None
    videos: SkipJsonSchema[list[Any] | None] = None
    knowledge_filters: SkipJsonSchema[Any] = None

    @field_validator("audio", "videos", "knowledge_filters")
    @classmethod
    def _supported(cls, value: object) -> object:
        """What would change the run is refused rather than left out."""
        if value:
            raise PydanticCustomError("unsupported", "Not supported by this server")
        return value

    def attach(self, media: Image | File) -> None:
        """Adds an uploaded file to the message."""
        if isinstance(media, Image):
            self.images.append(media)
        else:
            self.input_files.append(media)

    def fingerprint(self, *others: str | None) -> str:
        """SHA-256, in hex, of the whole request; the same however its fields were sent, files by content.

        Big files take their time: not in the event loop.
        """
        made_up = {"__all__": {"id"}}
        told = self.model_dump(mode="json", exclude={"images": made_up, "input_files": made_up})
        asked = [*others, told]
        return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
