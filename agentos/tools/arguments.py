"""A tool's arguments: their JSON schema for the model, and the parsing of the model's JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

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

        Each has `name`, `field_type` (a Python type), `description`, `value` (the default) and `required`.
        """
        required: list[str] = self.schema.get("required", [])
        properties: dict[str, dict[str, Any]] = self.schema.get("properties", {})
        return [
            {
                "name": name,
                "field_type": _type_name(properties[name]),
                "description": properties[name].get("description"),
                "value": properties[name].get("default"),
                "required": name in required,
            }
            for name in names
        ]

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


def _type_name(shape: Mapping[str, Any]) -> str:
    if "anyOf" in shape:
        choices = cast("list[Mapping[str, Any]]", shape["anyOf"])
        return next((_type_name(choice) for choice in choices if choice.get("type") != "null"), "Any")
    return "dict" if "$ref" in shape else _TYPES.get(str(shape.get("type")), "Any")
