"""A tool's arguments: their JSON schema for the model, and the parsing of the model's JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from agentos.errors import InvalidInputError, PayloadTooLargeError
from agentos.run.bounds import JSON_LIMITS
from agentos.run.runnable import RunContext
from agentos.tools.result import ToolError

_MAX_MISTAKES = 10
_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """The parameters of a function, as `schema.arguments` reads them."""

    schema: dict[str, Any]
    """The JSON schema of the model's arguments; its type is object."""
    model: type[BaseModel]
    """Validates the model's arguments."""
    fields: Mapping[str, str]
    """The field of `model` for each parameter, since pydantic reserves some names."""
    contexts: tuple[str, ...]
    """The parameters that receive the RunContext."""
    agent: bool
    """Whether a parameter `agent` receives the running agent."""
    state: bool
    """Whether a parameter `session_state` receives the session's state."""
    takes_self: bool
    """Whether the function is an unbound method that still needs its object."""

    def parse(self, text: str) -> dict[str, Any]:
        """The values in a model's JSON text, with defaults. ToolError says what the model must fix.

        Blank text means no arguments.
        """
        encoded = text.encode(errors="replace") if text.strip() else b"{}"
        try:
            JSON_LIMITS.check(encoded)
            parsed = self.model.model_validate_json(encoded)
        except (InvalidInputError, PayloadTooLargeError) as error:
            raise ToolError(f"The arguments don't fit. {error}. {self._usage()}") from error
        except ValidationError as error:
            raise ToolError(self._explain(error)) from error
        values = {name: parsed.__dict__[field] for name, field in self.fields.items()}
        return values | (parsed.model_extra or {})

    def inject(self, values: dict[str, Any], context: RunContext, agent: object | None) -> dict[str, Any]:
        """Adds the values from the run. It comes last, so that a model can't override them."""
        values |= dict.fromkeys(self.contexts, context)
        if self.agent:
            values["agent"] = agent
        if self.state:
            values["session_state"] = context.session_state
        return values

    @property
    def share_state(self) -> bool:
        """Whether the function can change the state that a tree of runs shares."""
        return self.state or bool(self.contexts)

    def without(self, names: Collection[str]) -> dict[str, Any]:
        """The schema without some of the parameters."""
        properties: dict[str, Any] = self.schema.get("properties", {})
        required: list[str] = self.schema.get("required", [])
        return self.schema | {
            "properties": {name: shape for name, shape in properties.items() if name not in names},
            "required": [name for name in required if name not in names],
        }

    def questions(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """The parameters to ask a person for.

        Each has `name`, `field_type` (a Python type), `description`, `value` (the default), `required`,
        `schema` (the JSON schema of its value), and `choices` if only certain values are allowed.
        """
        required: list[str] = self.schema.get("required", [])
        properties: dict[str, dict[str, Any]] = self.schema.get("properties", {})
        asked: list[dict[str, Any]] = []
        for name in names:
            shape = self._resolved(properties[name])
            question = {
                "name": name,
                "field_type": _TYPES.get(str(shape.get("type")), "Any"),
                "description": properties[name].get("description"),
                "value": properties[name].get("default"),
                "required": name in required,
                "schema": self._whole(properties[name]),
            }
            choices = [shape["const"]] if "const" in shape else shape.get("enum")
            asked.append(question | ({"choices": choices} if choices else {}))
        return asked

    def problems(self, text: str) -> dict[str, str]:
        """What is wrong with each parameter in a JSON text that is an object; empty if nothing is."""
        try:
            self.model.model_validate_json(text.encode(errors="replace"))
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_context=False, include_input=False)
            return {
                str(mistake["loc"][0]): mistake["msg"] for mistake in reversed(mistakes) if mistake["loc"]
            }
        return {}

    def _whole(self, shape: Mapping[str, Any]) -> dict[str, Any]:
        """The schema of one parameter, with the definitions that it may refer to."""
        own = {name: part for name, part in shape.items() if name not in {"description", "default"}}
        return own | ({"$defs": self.schema["$defs"]} if "$ref" in str(own) else {})

    def _resolved(self, shape: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema that a reference or an optional type stands for."""
        options: list[Mapping[str, Any]] = shape.get("anyOf", [])
        for option in options:
            if option.get("type") != "null":
                return self._resolved(option)
        definitions: Mapping[str, Mapping[str, Any]] = self.schema.get("$defs", {})
        return definitions.get(str(shape.get("$ref", "")).removeprefix("#/$defs/"), shape)

    def _explain(self, error: ValidationError) -> str:
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [
            f"- {'.'.join(map(str, mistake['loc'])) or 'arguments'}: {mistake['msg']}"
            for mistake in mistakes[:_MAX_MISTAKES]
        ]
        if len(mistakes) > _MAX_MISTAKES:
            lines.append(f"- and {len(mistakes) - _MAX_MISTAKES} more")
        return "\n".join(["The arguments don't fit.", *lines, self._usage()])

    def _usage(self) -> str:
        if not self.fields:
            return "Call the tool again with {}: it has no parameters."
        required: list[str] = self.schema.get("required", [])
        names = [f"{name} (required)" if name in required else name for name in self.fields]
        return f"Call the tool again with a JSON object of its parameters: {', '.join(names)}."
