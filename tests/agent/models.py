"""Short ways to write what a model says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.messages import FunctionCall, ToolCall


def call(name: str, arguments: dict[str, Any] | str | None = None, call_id: str = "call-1") -> ToolCall:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return ToolCall(id=call_id, function=FunctionCall(name=name, arguments=text))


def scripted(*turns: str | Sequence[ToolCall]) -> tuple[FunctionModel, list[ModelRequest]]:
    """A model that says `turns` one after another, and the requests it got."""
    requests: list[ModelRequest] = []
    left = list(turns)

    def respond(request: ModelRequest) -> ModelResponse:
        requests.append(request)
        turn = left.pop(0)
        if isinstance(turn, str):
            return ModelResponse(content=turn)
        return ModelResponse(tool_calls=list(turn))

    return FunctionModel(respond), requests


Respond = Callable[[ModelRequest], ModelResponse]
