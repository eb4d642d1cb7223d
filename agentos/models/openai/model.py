"""A model turn with OpenAI, for both of its APIs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlsplit

from pydantic_core import PydanticSerializationError, to_json

from agentos.errors import ConfigurationError
from agentos.event_loop import PerLoop
from agentos.models.base import ModelDelta, ModelRequest, ModelResponse
from agentos.models.openai import client as http
from agentos.models.openai.codec import Json, dump
from agentos.models.openai.failures import harmless, translated

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class AnswerReader(Protocol):
    """Assembles a response."""

    def whole(self, content: bytes) -> None:
        """Reads the body of a response that isn't streamed."""
        ...

    def piece(self, event: object) -> ModelDelta | None:
        """Reads one event of a stream; returns what it adds to the visible output."""
        ...

    def is_complete(self) -> bool:
        """Whether all but the token counts has arrived."""
        ...

    def finish(self) -> ModelResponse:
        """Returns the answer, or raises a ModelError."""
        ...


@dataclass(eq=False, repr=False)
class OpenAIModel(ABC):
    """Shared implementation of `OpenAIChat` and `OpenAIResponses`.

    Options that are None aren't sent. For missing settings, the official client reads OPENAI_API_KEY,
    OPENAI_BASE_URL and OPENAI_ORG_ID at the first request in each event loop.
    """

    id: str = "gpt-5.4-mini"
    _: KW_ONLY
    name: str = "OpenAI"
    provider: str = "OpenAI"
    api_key: str | None = field(default=None, repr=False)
    organization: str | None = None
    base_url: str | None = None
    timeout: float | None = None
    """Seconds without data from the provider; 600 by default."""
    max_retries: int | None = None
    """Retries after 429, 5xx and lost connections, honouring Retry-After; 2 by default. An error with such
    a code in place of an answer is retried alike. Once an answer has begun, nothing is."""
    max_response_bytes: int = 128 * 1024 * 1024
    """Bytes of one response of the provider, decompressed; of a stream with all that surrounds its text. The
    default is about 250,000 streamed tokens. Beyond it the turn fails, whole or streamed."""
    extra_headers: Mapping[str, str] | None = field(default=None, repr=False)
    extra_query: Mapping[str, str] | None = field(default=None, repr=False)
    extra_body: Mapping[str, Any] | None = None
    """Merged into the JSON of every request."""
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    """`none`, `minimal`, `low`, `medium`, `high` …, depending on the model."""
    verbosity: str | None = None
    """`low`, `medium` or `high`."""
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    """Whether the provider stores the answer."""
    service_tier: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] | None = None
    """Stored by the provider with the answer."""

    _path: ClassVar[str]
    _clients: PerLoop[AsyncOpenAI] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._clients = PerLoop(lambda: http.connect(self))
        kind = type(self).__name__
        if self.timeout is not None and self.timeout <= 0:
            raise ConfigurationError(f"{kind}(timeout={self.timeout!r}) must be more than 0 seconds.")
        if self.max_retries is not None and self.max_retries < 0:
            raise ConfigurationError(f"{kind}(max_retries={self.max_retries!r}) must be 0 or more.")
        if self.max_response_bytes < 1:
            raise ConfigurationError(
                f"{kind}(max_response_bytes={self.max_response_bytes!r}) must be more than 0."
            )
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

    def __repr__(self) -> str:
        """Shows no value that may be a secret: a URL may hold a password."""
        base = urlsplit(self.base_url or "")
        where = f", host={base.hostname!r}" if base.hostname else ""
        return f"{type(self).__name__}(id={self.id!r}{where})"

    @abstractmethod
    def _body(self, request: ModelRequest) -> Json:
        """The request in the format of the API."""

    @abstractmethod
    def _answer(self) -> AnswerReader:
        """An empty reader for a response of the API."""

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
                with harmless(answer.is_complete):
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
        """Closes the running loop's connections. A later request opens new ones."""
        client = self._clients.pop()
        if client is not None:
            await client.close()
