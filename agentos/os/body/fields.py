"""What a caller may say about a run."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from agentos.os.values import Id, JsonObject, Text
from agentos.run.media import File, Image

MAX_MEDIA = 100
"""Pictures, and documents, that one message may carry."""


class RunBody(BaseModel):
    """A request for a run. In forms, objects and arrays are JSON text. Fields not named here are ignored."""

    model_config = ConfigDict(extra="ignore")

    message: Text = Field(min_length=1)
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
    metadata: JsonObject = Field(default_factory=dict[str, Any])
    output_schema: JsonObject | None = None
    """A JSON schema that the answer must fit."""
    add_history_to_context: bool | None = None
    """False: the run sees nothing of the conversation before it."""
    images: list[Image] = Field(default_factory=list[Image], max_length=MAX_MEDIA)
    input_files: list[File] = Field(default_factory=list[File], max_length=MAX_MEDIA)
    background: bool = False
    """Only false: runs in the background aren't supported by this server."""
    audio: SkipJsonSchema[list[Any] | None] = None
    videos: SkipJsonSchema[list[Any] | None] = None
    knowledge_filters: SkipJsonSchema[Any] = None

    @field_validator("background", "audio", "videos", "knowledge_filters")
    @classmethod
    def _supported(cls, value: object) -> object:
        """What would change the run is refused rather than left out."""
        if value:
            raise PydanticCustomError("unsupported", "Not supported by this server")
        return value

    @classmethod
    def documentation(cls) -> dict[str, Any]:
        """Its JSON schema without references, to stand anywhere in an OpenAPI document."""
        schema = cls.model_json_schema()
        return _inlined(schema, schema.pop("$defs", {}))


JSON_FIELDS = frozenset(
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
"""What a form carries as JSON text."""


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    match schema:
        case {"$ref": str() as name}:
            return _inlined(definitions[name.rpartition("/")[2]], definitions)
        case dict():
            parts = cast("dict[str, Any]", schema)
            return {name: _inlined(part, definitions) for name, part in parts.items()}
        case list():
            return [_inlined(part, definitions) for part in cast("list[Any]", schema)]
        case _:
            return schema
