"""The model protocol: one turn, as a stream that ends with the complete response."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from agentos.run.messages import Message, Metrics, ToolCall


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as described to a model."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema of type object."""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The JSON schema that an answer must match."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """The input of one model turn."""

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    response_format: ResponseFormat | None = None
    stream: bool = True
    """Whether deltas are wanted. If not, only the final ModelResponse is yielded."""


@dataclass(frozen=True, slots=True)
class ModelDelta:
    """A piece of a streamed answer."""

    content: str = ""
    reasoning_content: str = ""


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """A complete answer: text, tool calls, or both."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    metrics: Metrics = field(default_factory=Metrics)
    provider_data: Mapping[str, Any] | None = None
    """Data that the same adapter needs on this assistant message in the next turn. JSON-serialisable."""


@runtime_checkable
class Model(Protocol):
    """An adapter for one provider's API."""

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
        """The provider's name, e.g. `OpenAI`."""
        ...

    def respond(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Yields deltas (if `request.stream`), then exactly one ModelResponse, last.

        Closing the generator early closes the provider's connection. Raises ModelError with a code. Temporary
        failures (429, 5xx, connection) are retried inside.
        """
        ...

    async def aclose(self) -> None:
        """Closes the running loop's connections. The next turn opens new ones."""
        ...
