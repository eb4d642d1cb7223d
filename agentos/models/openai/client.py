"""The official client: loaded late, made once per event loop, spoken to in JSON.

Requests go through its documented door for any path (`post`), which brings its connections, retries and
Retry-After, and leaves reading the answer to us: half the time of its typed methods, and checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from agentos.errors import ConfigurationError, ModelError
from agentos.models.openai.codec import given

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai import AsyncOpenAI


class Settings(Protocol):
    """Where and as whom to connect."""

    api_key: str | None
    organization: str | None
    base_url: str | None
    timeout: float | None
    max_retries: int | None
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, str] | None


class Events(Protocol):
    """The events of an open stream; leaving the context closes the connection."""

    def __aiter__(self) -> AsyncIterator[object]: ...


@cache
def _tls() -> SSLContext:
    import httpx2

    import_module("openai")
    return httpx2.create_ssl_context()


async def load() -> None:
    """Imports the SDK and reads the certificates, once, in a thread: it takes most of a second."""
    if not _tls.cache_info().currsize:
        await asyncio.to_thread(_tls)


def connect(settings: Settings) -> AsyncOpenAI:
    """A client for the running loop; `load` must have returned.

    Raises ModelError without a usable API key, ConfigurationError for an address that is none.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError

    options = given(timeout=settings.timeout, max_retries=settings.max_retries)
    try:
        client = AsyncOpenAI(
            api_key=settings.api_key,
            organization=settings.organization,
            base_url=settings.base_url,
            default_headers=settings.extra_headers,
            default_query=settings.extra_query,
            http_client=DefaultAsyncHttpxClient(verify=_tls()),
            **options,
        )
    except OpenAIError:
        raise _unauthorized("has no API key") from None
    except httpx2.InvalidURL:
        raise _no_address() from None
    if client.base_url.scheme not in {"http", "https"}:
        raise _no_address()
    if not client.api_key:
        raise _unauthorized("has no API key")
    if not is_plain(client.api_key):
        # Such a header is refused with an exception whose text shows the key.
        raise _unauthorized("got an API key with a line break or another character that no key has")
    return client


def is_plain(text: str) -> bool:
    """Whether `text` may stand in a header."""
    return text.isascii() and text.isprintable()


def _unauthorized(why: str) -> ModelError:
    return ModelError(f"The model {why}: set OPENAI_API_KEY or pass api_key=.", code="model_unauthorized")


def _no_address() -> ConfigurationError:
    return ConfigurationError(
        "base_url= (or OPENAI_BASE_URL) must be an address that begins with http:// or https://."
    )


async def fetch(client: AsyncOpenAI, path: str, content: bytes) -> bytes:
    """The body of the answer to one request."""
    import httpx2

    response = await client.post(path, cast_to=httpx2.Response, content=content)
    return response.content


async def stream(client: AsyncOpenAI, path: str, content: bytes) -> AbstractAsyncContextManager[Events]:
    """The answer to one request, event by event."""
    from openai import AsyncStream

    kind = AsyncStream[object]
    return await client.post(path, cast_to=object, content=content, stream=True, stream_cls=kind)
