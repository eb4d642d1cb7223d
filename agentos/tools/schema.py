"""Reads a function's signature once, with pydantic: its JSON schema and the checks of its arguments.

`RunContext` and `agent` are for the run to give: the model never learns of them and can't set them.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType, SimpleNamespace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools.arguments import Arguments

_POSITIONAL = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}


def arguments(function: Callable[..., Any], texts: Mapping[str, str]) -> Arguments:
    """What a function or method takes; `texts` describe its parameters.

    `**kwargs` let the model give more than the schema names. ConfigurationError names the parameter that
    no model can fill: a positional one, or a type that JSON can't carry or that can't be found.
    """
    signature = dict(inspect.signature(function).parameters)
    takes_self = next(iter(signature), None) == "self"
    if takes_self:
        del signature["self"]
    hints = {name: _hint(function, parameter) for name, parameter in signature.items()}
    contexts = [name for name, hint in hints.items() if _is_context(hint)]
    agent = "agent" in hints and _is_runnable(hints["agent"])
    hidden = {*contexts, "agent"} if agent else set(contexts)
    fields: dict[str, Any] = {}
    extra: Any = None
    for name, parameter in signature.items():
        if parameter.kind in _POSITIONAL:
            raise _refusal(function, name, "is positional, but a model gives arguments by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = hints[name]
        elif name not in hidden:
            fields[name] = _field(function, parameter, hints[name], texts.get(name))
    aliases = {name: f"p{index}" for index, name in enumerate(fields)}
    model = create_model(
        "Arguments", __base__=_base(extra), **{aliases[name]: fields[name] for name in fields}
    )
    return Arguments(_json_schema(model), model, aliases, tuple(contexts), agent, takes_self)


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema in the subset that providers enforce: every property required, none besides them.

    ValueError if it has an object with keys of the caller's choice, which the subset can't say.
    """
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    result = {key: value for key, value in schema.items() if key != "default"}
    for key in ("properties", "$defs"):
        if key in schema:
            result[key] = {name: strict(value) for name, value in schema[key].items()}
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if key in schema:
            result[key] = [strict(value) for value in schema[key]]
    if isinstance(schema.get("items"), dict):
        result["items"] = strict(schema["items"])
    if schema.get("type") == "object":
        if "properties" not in schema or schema.get("additionalProperties"):
            raise ValueError("an object whose keys aren't known")
        result |= {"required": list(schema["properties"]), "additionalProperties": False}
    return result


def _hint(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    if parameter.annotation is parameter.empty:
        return Any
    source = inspect.unwrap(function.__func__ if isinstance(function, MethodType) else function)
    scope = source.__globals__ if isinstance(source, FunctionType) else {}
    holder = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return typing.get_type_hints(holder, globalns=scope, include_extras=True)[parameter.name]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        why = f"has a type that can't be found, {parameter.annotation!r}: define it at the module's top level"
        raise _refusal(function, parameter.name, why) from error


def _is_context(hint: Any) -> bool:
    return hint is RunContext or RunContext in typing.get_args(hint)


def _is_runnable(hint: Any) -> bool:
    """A parameter named `agent` means the agent that runs, unless its type is one that JSON can carry."""
    if hint is Any or hint is object:
        return True
    try:
        TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return True
    return False


def _field(
    function: Callable[..., Any], parameter: inspect.Parameter, hint: Any, text: str | None
) -> tuple[Any, Any]:
    options: dict[str, Any] = {"alias": parameter.name}
    if text:
        options["description"] = text
    if isinstance(parameter.default, FieldInfo):
        hint = Annotated[hint, parameter.default]
    elif parameter.default is not parameter.empty:
        options["default"] = parameter.default
        if parameter.default is None and hint is not Any:
            hint = hint | None
    try:
        TypeAdapter(hint).json_schema(schema_generator=_PlainSchema)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise _refusal(function, parameter.name, "has a type that JSON can't carry") from error
    return hint, Field(**options)


class _PlainSchema(GenerateJsonSchema):
    """No titles that repeat a field's name, no warning for a default that JSON can't show."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        pass

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_PlainSchema)
    return {key: value for key, value in schema.items() if key not in {"title", "description"}}


def _base(extra: Any) -> type[BaseModel]:
    """Refuses unknown arguments, or takes those of the type `extra`."""
    members: dict[str, Any] = {"__module__": __name__, "model_config": ConfigDict(extra="forbid")}
    if extra is not None:
        members["model_config"] = ConfigDict(extra="allow")
        members["__annotations__"] = {"__pydantic_extra__": dict[str, extra]}
    return type("Base", (BaseModel,), members)


def _refusal(function: Callable[..., Any], parameter: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The tool {function.__qualname__!r}: its parameter {parameter!r} {why}.")
