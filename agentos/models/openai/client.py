"""The official client: loaded lazily, created once per event loop, and used with plain JSON.

Requests use its documented method for arbitrary paths (`post`), which handles connections, retries and
Retry-After. The response is read raw, complete or event by event, at half the cost of the typed methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from pydantic import JsonValue

from agentos.errors import ConfigurationError, ModelError
from agentos.models.openai.body import check, parse, prepared
from agentos.models.openai.codec import DONE, ServerEvents, given

if TYPE_CHECKING:
    from ssl import SSLContext

    from httpx2 import Request, Response
    from openai import AsyncOpenAI

_LEFTOVER_SECONDS: Final = 0.1
"""Seconds to wait for the end of the body after the last event. Only then can the connection be reused."""


class Settings(Protocol):
    """URL, credentials and limits."""

    api_key: str | None
    organization: str | None
    base_url: str | None
    timeout: float | None
    max_retries: int | None
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, str] | None
    max_response_bytes: int


@cache
def _tls() -> SSLContext:
    import httpx2

    import_module("openai")
    return httpx2.create_ssl_context()


async def load() -> None:
    """Imports the SDK and loads the certificates, once, in a thread, since it takes most of a second."""
    if not _tls.cache_info().currsize:
        await asyncio.to_thread(_tls)


def connect(settings: Settings) -> AsyncOpenAI:
    """A client for the running loop; `load` must have returned.

    ModelError without a usable API key, ConfigurationError for an invalid URL.
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
            http_client=DefaultAsyncHttpxClient(
                verify=_tls(), event_hooks={"response": [prepared(settings.max_response_bytes)]}
            ),
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
    """Whether `text` is allowed in a header."""
    return text.isascii() and text.isprintable()


def _unauthorized(why: str) -> ModelError:
    return ModelError(f"The model {why}: set OPENAI_API_KEY or pass api_key=.", code="model_unauthorized")


def _no_address() -> ConfigurationError:
    return ConfigurationError(
        "base_url= (or OPENAI_BASE_URL) must be an address that begins with http:// or https://."
    )


async def fetch(client: AsyncOpenAI, path: str, content: bytes) -> bytes:
    """The response body of one request."""
    import httpx2

    response = await client.post(path, cast_to=httpx2.Response, content=content)
    check(response.content)
    return response.content


@asynccontextmanager
async def stream(client: AsyncOpenAI, path: str, content: bytes) -> AsyncGenerator[AsyncGenerator[JsonValue]]:
    """The response of one request, event by event. Leaving the context closes the connection.

    The last event is `DONE` if the provider says so. An error that it sends as an event is raised as the
    SDK's APIError.
    """
    from openai import AsyncStream

    kind = AsyncStream[object]
    opened = await client.post(path, cast_to=object, content=content, stream=True, stream_cls=kind)
    async with opened, aclosing(_events(opened.response)) as events:
        yield events


async def _events(response: Response) -> AsyncGenerator[JsonValue]:
    received = ServerEvents()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            for data in received.feed(chunk):
                event = _event(data, response.request)
                yield event
                if event == DONE:
                    await _read_out(chunks)
                    return
    for data in received.end():
        if _is_complete(data):
            yield _event(data, response.request)


def _is_complete(data: bytes) -> bool:
    try:
        return data.startswith(b"[DONE]") or parse(data) is not None
    except ValueError:
        return False


def _event(data: bytes, request: Request) -> JsonValue:
    if data.startswith(b"[DONE]"):
        return DONE
    event = parse(data)
    if isinstance(event, dict) and event.get("error"):
        raise _reported(event["error"], request)
    return event


async def _read_out(chunks: AsyncGenerator[bytes]) -> None:
    import httpx2

    with suppress(TimeoutError, httpx2.HTTPError, ModelError):
        async with asyncio.timeout(_LEFTOVER_SECONDS):
            async for _ in chunks:
                pass


def _reported(error: JsonValue, request: Request) -> Exception:
    from openai import APIError

    words = error.get("message") if isinstance(error, dict) else error
    return APIError(f"The provider reports in its stream: {words}", request, body=error)
