"""What an agent needs of a model: one turn, as a stream that ends in a whole answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from agentos.run.messages import Message, Metrics, ToolCall


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema of type object."""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The JSON schema that an answer must fit."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One turn: everything the model is told."""

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_format: ResponseFormat | None = None
    stream: bool = True
    """Whether pieces are wanted; without, only the final ModelResponse is yielded."""


@dataclass(frozen=True, slots=True)
class ModelDelta:
    """A piece of an answer."""

    content: str = ""
    reasoning_content: str = ""


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """A whole answer: text, tool calls, or both."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    metrics: Metrics = field(default_factory=Metrics)
    provider_data: Mapping[str, Any] | None = None
    """What the same adapter wants to find on this assistant message in the next turn. JSON-ready."""


@runtime_checkable
class Model(Protocol):
    """An adapter to one provider's API."""

    @property
    def id(self) -> str:
        """The provider's name for the model."""
        ...

    @property
    def name(self) -> str:
        """The adapter's name, e.g. `OpenAIChat`."""
        ...

    @property
    def provider(self) -> str:
        """Who serves it, e.g. `OpenAI`."""
        ...

    def respond(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Yields deltas (if `request.stream`), then exactly one ModelResponse, last.

        Closing the generator early closes the provider's connection. Raises ModelError with a code;
        retries of what may pass (429, 5xx, connection) happen inside.
        """
        ...

    async def aclose(self) -> None:
        """Closes the running loop's connections; the next turn opens new ones."""
        ...
