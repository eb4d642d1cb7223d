"""Reads a function's signature with pydantic: its JSON schema and the validation of arguments.

The run supplies `RunContext`, `agent` and `session_state`: the model doesn't see them and can't set them.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import (
    Callable,
    Collection,
    Container,
    Iterable,
    Mapping,
    MutableMapping,
    Reversible,
)
from types import FunctionType, GenericAlias, MethodType, SimpleNamespace, UnionType
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticSerializationError

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools.arguments import Arguments

_LISTS: tuple[Any, ...] = (Collection, Container, Iterable, Reversible)
_POSITIONAL = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}


def arguments(function: Callable[..., Any], texts: Mapping[str, str]) -> Arguments:
    """The parameters of a function or method, with descriptions from `texts`.

    With `**kwargs`, the model may give more than the schema names. ConfigurationError names a parameter that
    no model can fill: a positional one, or one whose type isn't JSON-compatible or can't be resolved.
    """
    signature = dict(inspect.signature(function).parameters)
    first = next(iter(signature), None)
    takes_self = first == "self" or (first == "cls" and _is_in_class(function))
    if takes_self and first is not None:
        del signature[first]
    hints = {name: _read(_hint(function, parameter)) for name, parameter in signature.items()}
    contexts = [name for name, hint in hints.items() if _is_context(hint)]
    agent = "agent" in hints and _is_runnable(hints["agent"])
    state = "session_state" in hints and _is_state(hints["session_state"])
    given = {*contexts, *(["agent"] if agent else []), *(["session_state"] if state else [])}
    shown = [p for name, p in signature.items() if name not in given]
    for parameter in signature.values():
        _check(function, parameter, hints[parameter.name] if parameter in shown else Any)
    extra = next((hints[p.name] for p in shown if p.kind is p.VAR_KEYWORD), None)
    names = [p.name for p in shown if p.kind is not p.VAR_KEYWORD]
    fields = {name: f"p{index}" for index, name in enumerate(names)}
    definitions = {fields[name]: _field(signature[name], hints[name], texts.get(name)) for name in names}
    model = create_model("Arguments", __base__=_base(extra), **cast("dict[str, Any]", definitions))
    return Arguments(_json_schema(model), model, fields, tuple(contexts), agent, state, takes_self)


def _check(function: Callable[..., Any], parameter: inspect.Parameter, hint: Any) -> None:
    if parameter.kind in _POSITIONAL:
        raise _refusal(function, parameter.name, "is positional, but a model gives arguments by name")
    try:
        TypeAdapter(hint).json_schema(schema_generator=_PlainSchema)
    except PydanticUserError as error:
        why = "has a type that JSON can't carry"
        if error.code == "typed-dict-version":
            why = "is a TypedDict of typing: before Python 3.12, import it from typing_extensions"
        raise _refusal(function, parameter.name, why) from error
    except PydanticUndefinedAnnotation as error:
        raise _refusal(function, parameter.name, "has a type that can't be found") from error


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


def _is_in_class(function: Callable[..., Any]) -> bool:
    return function.__qualname__.rpartition(".")[0].rpartition(".")[2] not in {"", "<locals>"}


def _read(hint: Any) -> Any:
    """The type, with lists for the interfaces of `collections.abc` that a list has.

    Pydantic doesn't know some of them, and checks the items of an `Iterable` only when they are read.
    """
    origin: Any = typing.get_origin(hint) or hint
    parts: tuple[Any, ...] = typing.get_args(hint)
    if any(origin is each for each in _LISTS):
        return list[_read(parts[0])] if parts else list
    if origin is Annotated:
        return Annotated[_read(parts[0]), *parts[1:]]
    if origin is typing.Union or origin is UnionType:
        return typing.Union[tuple(map(_read, parts))]  # noqa: UP007 - made of a tuple
    if isinstance(hint, GenericAlias) and origin is not Callable:
        return GenericAlias(origin, tuple(map(_read, parts)))
    return hint


def _is_context(hint: Any) -> bool:
    return hint is RunContext or RunContext in typing.get_args(hint)


def _is_runnable(hint: Any) -> bool:
    """Whether a parameter `agent` means the running agent: yes, unless its type is JSON-compatible."""
    if hint is Any or hint is object:
        return True
    try:
        TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return True
    return False


def _is_state(hint: Any) -> bool:
    """Whether a parameter `session_state` means the session's state, and not a value of another type."""
    return hint is Any or hint is dict or typing.get_origin(hint) in {dict, MutableMapping}


def _field(parameter: inspect.Parameter, hint: Any, text: str | None) -> tuple[Any, Any]:
    options: dict[str, Any] = {"alias": parameter.name}
    if text or (text := _note(hint)):
        options["description"] = text
    if isinstance(parameter.default, FieldInfo):
        hint = Annotated[hint, parameter.default]
    elif parameter.default is not parameter.empty:
        options["default"] = parameter.default
        if parameter.default is None and hint is not Any:
            hint = hint | None
    return hint, Field(**options)


def _note(hint: Any) -> str | None:
    """The text in `Annotated[str, "City name"]`."""
    notes = hint.__metadata__ if typing.get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, str)), None)


class _PlainSchema(GenerateJsonSchema):
    """Omits titles that repeat a field's name, and warnings for defaults that JSON can't represent."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        pass

    def encode_default(self, dft: Any) -> Any:
        """Refuses infinity and NaN, which aren't JSON: such a default is left out."""
        encoded = super().encode_default(dft)
        try:
            json.dumps(encoded, allow_nan=False)
        except ValueError as error:
            raise PydanticSerializationError(str(error)) from None
        return encoded

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_PlainSchema)
    return {key: value for key, value in schema.items() if key not in {"title", "description"}}


def _base(extra: Any) -> type[BaseModel]:
    """The base model: refuses unknown arguments, or accepts those of type `extra`."""
    members: dict[str, Any] = {"__module__": __name__, "model_config": ConfigDict(extra="forbid")}
    if extra is not None:
        members["model_config"] = ConfigDict(extra="allow")
        members["__annotations__"] = {"__pydantic_extra__": dict[str, extra]}
    return type("Base", (BaseModel,), members)


def _refusal(function: Callable[..., Any], parameter: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The tool {function.__qualname__!r}: its parameter {parameter!r} {why}.")
