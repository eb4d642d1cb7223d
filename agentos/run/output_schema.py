"""The schema of a structured answer: a pydantic class, a JSON schema, or a class made for any other type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from inspect import isroutine
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, RootModel
from pydantic.errors import PydanticInvalidForJsonSchema

from agentos.errors import ConfigurationError

T = TypeVar("T")

OutputSchema = type[BaseModel] | Mapping[str, Any]

VALUE: Final = "value"
"""The only field of the object in which an answer is sent that isn't an object itself."""
_CHOICES: Final = ("anyOf", "oneOf", "allOf")


class Answer(RootModel[T], Generic[T]):
    """An answer of a type that isn't a pydantic class; its `root` is what the caller gets."""

    @classmethod
    def type_name(cls) -> str:
        """The name of the type, such as `list[City]`."""
        return cls.__name__.removeprefix("Answer[").removesuffix("]")


def output_schema(given: Any) -> OutputSchema | None:
    """The schema for a class, a JSON schema, or any type that pydantic can validate, such as `list[City]`.

    ConfigurationError for other values.
    """
    if given is None or isinstance(given, Mapping):
        return cast("Mapping[str, Any] | None", given)
    if isinstance(given, type) and issubclass(given, BaseModel):
        return given
    try:
        if isroutine(cast("object", given)):  # pydantic would validate a call of it
            raise TypeError
        made = cast("type[BaseModel]", Answer[given])
        described(made)
    except (
        PydanticUserError,
        PydanticSchemaGenerationError,
        PydanticInvalidForJsonSchema,
        TypeError,
    ) as error:
        raise ConfigurationError(
            f"output_schema={given!r} is invalid: give a pydantic class, a JSON schema, or a type that has "
            "one. A TypedDict must be of typing_extensions before Python 3.12."
        ) from error
    return made


@lru_cache(maxsize=256)
def described(schema: type[BaseModel]) -> tuple[Mapping[str, Any], bool]:
    """`object_schema` of a class."""
    return object_schema(schema.model_json_schema())


def object_schema(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A schema whose root is an object, which is all that providers take, and whether the answer is wrapped.

    A reference at the root is inlined; any other root becomes the field `value` of an object.
    """
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    root = {name: part for name, part in schema.items() if name != "$defs"}
    name = str(root.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions:
        del root["$ref"]
        root = {**definitions[name], **root}
    is_object = root.get("type", "object") == "object" and not any(each in root for each in _CHOICES)
    if not is_object:
        root = {
            "type": "object",
            "properties": {VALUE: root},
            "required": [VALUE],
            "additionalProperties": False,
        }
    return (root | {"$defs": definitions} if definitions else root), not is_object
