"""A tool's arguments: what the model is told of them, and how its JSON text becomes values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from agentos.run.runnable import RunContext
from agentos.tools.result import ToolError

_MAX_MISTAKES = 10


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """What a function takes; `schema.arguments` reads it from the function."""

    schema: dict[str, Any]
    """The JSON schema of what the model gives; its type is object."""
    model: type[BaseModel]
    """Checks what the model gives."""
    fields: Mapping[str, str]
    """The field of `model` for each parameter: some parameter names pydantic keeps for itself."""
    contexts: tuple[str, ...]
    """The parameters that get the RunContext."""
    agent: bool
    """Whether a parameter `agent` gets the agent that runs."""
    takes_self: bool
    """Whether the function is a method as written in its class, not yet bound to an object."""

    def parse(self, text: str) -> dict[str, Any]:
        """The values in a model's JSON text, defaults filled in; ToolError says what the model must mend.

        Blank text means no arguments.
        """
        try:
            parsed = self.model.model_validate_json(text.encode(errors="replace") if text.strip() else b"{}")
        except ValidationError as error:
            raise ToolError(self._explain(error)) from error
        values = {name: parsed.__dict__[field] for name, field in self.fields.items()}
        return values | (parsed.model_extra or {})

    def inject(self, values: dict[str, Any], context: RunContext, agent: object | None) -> dict[str, Any]:
        """Adds what the run gives; it comes last, so that a model can't put its own in place of it."""
        values |= dict.fromkeys(self.contexts, context)
        if self.agent:
            values["agent"] = agent
        return values

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
