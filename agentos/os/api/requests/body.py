"""What bodies of requests about runs have in common."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict

from agentos.run.media import File, Image


class Body(BaseModel):
    """A body that comes as a form or as JSON. Fields that nobody knows are ignored."""

    model_config = ConfigDict(extra="ignore")

    as_json: ClassVar[frozenset[str]] = frozenset()
    """Fields that a form carries as JSON text."""
    takes_files: ClassVar[bool] = False
    """Whether files may be uploaded with it."""

    def attach(self, media: Image | File) -> None:
        """Takes an uploaded file; like unknown fields, it is ignored where nobody asks for one."""

    @classmethod
    def documentation(cls) -> dict[str, Any]:
        """Its JSON schema without references, to stand anywhere in an OpenAPI document."""
        schema = cls.model_json_schema()
        return _inlined(schema, schema.pop("$defs", {}))


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
