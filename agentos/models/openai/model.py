"""A turn with OpenAI, whichever of its two APIs carries it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic_core import PydanticSerializationError, to_json

from agentos.errors import ConfigurationError
from agentos.event_loop import PerLoop
from agentos.models.base import ModelDelta, ModelRequest, ModelResponse
from agentos.models.openai import client as http
from agentos.models.openai.codec import Json, dump
from agentos.models.openai.failures import translated

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class AnswerReader(Protocol):
    """An answer being put together."""

    def whole(self, content: bytes) -> None:
        """Takes the body of an answer that isn't streamed."""
        ...

    def piece(self, event: object) -> ModelDelta | None:
        """Takes one event of a stream; returns what it adds to what the user sees."""
        ...

    def finish(self) -> ModelResponse:
        """The answer, or the ModelError that it amounts to."""
        ...


@dataclass(eq=False)
class OpenAIModel(ABC):
    """What `OpenAIChat` and `OpenAIResponses` share.

    An option that is None isn't sent. The official client reads OPENAI_API_KEY, OPENAI_BASE_URL and
    OPENAI_ORG_ID in place of what isn't given here, at the first request in each event loop.
    """

    id: str = "gpt-5.4-mini"
    _: KW_ONLY
    name: str = "OpenAI"
    provider: str = "OpenAI"
    api_key: str | None = field(default=None, repr=False)
    organization: str | None = None
    base_url: str | None = None
    timeout: float | None = None
    """Seconds without a byte from the provider; 600 unless given."""
    max_retries: int | None = None
    """How often 429, 5xx and a lost connection are tried again, after Retry-After if told; 2 unless given."""
    extra_headers: Mapping[str, str] | None = field(default=None, repr=False)
    extra_query: Mapping[str, str] | None = field(default=None, repr=False)
    extra_body: Mapping[str, Any] | None = None
    """Laid over every request's JSON."""
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    """`none`, `minimal`, `low`, `medium`, `high` …, as the model offers."""
    verbosity: str | None = None
    """`low`, `medium` or `high`."""
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    """Whether the provider keeps the answer."""
    service_tier: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] | None = None
    """Kept by the provider next to a stored answer."""

    _path: ClassVar[str]
    _clients: PerLoop[AsyncOpenAI] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._clients = PerLoop(lambda: http.connect(self))
        kind = type(self).__name__
        if self.timeout is not None and self.timeout <= 0:
            raise ConfigurationError(f"{kind}(timeout={self.timeout!r}) must be more than 0 seconds.")
        if self.max_retries is not None and self.max_retries < 0:
            raise ConfigurationError(f"{kind}(max_retries={self.max_retries!r}) must be 0 or more.")
        if self.base_url is not None and not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{kind}(base_url=…) must begin with http:// or https://.")
        for name, value in (self.extra_headers or {}).items():
            if not http.is_plain(name + value):
                raise ConfigurationError(f"{kind}(extra_headers=…): {name!r} must hold printable ASCII only.")
        for option, value in {"extra_body": self.extra_body, "metadata": self.metadata}.items():
            try:
                to_json(value)
            except PydanticSerializationError as error:
                raise ConfigurationError(f"{kind}({option}=…) must be JSON data.") from error

    @abstractmethod
    def _body(self, request: ModelRequest) -> Json:
        """The request in the API's words."""

    @abstractmethod
    def _answer(self) -> AnswerReader:
        """An empty answer, to be filled with the API's words."""

    async def respond(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """See `Model.respond`."""
        started = perf_counter()
        first: float | None = None
        body = {**self._body(request), **(self.extra_body or {})}
        answer = self._answer()
        await http.load()
        client = self._clients.get()
        with translated(self.id, (client.api_key, *(self.extra_headers or {}).values())):
            if request.stream:
                content = dump({**body, "stream": True})
                async with http.stream(client, self._path, content) as events:
                    async for event in events:
                        delta = answer.piece(event)
                        if delta is not None:
                            first = perf_counter() - started if first is None else first
                            yield delta
            else:
                answer.whole(await http.fetch(client, self._path, dump(body)))
            response = answer.finish()
        timing = {"time_to_first_token": first, "duration": perf_counter() - started}
        yield replace(response, metrics=response.metrics.model_copy(update=timing))

    async def aclose(self) -> None:
        """Closes the running loop's connections; a later request opens new ones."""
        client = self._clients.pop()
        if client is not None:
            await client.close()
