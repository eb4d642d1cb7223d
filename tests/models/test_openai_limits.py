"""Providers that send without end: each response has a limit, whatever it is."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from agentos.errors import ConfigurationError, ModelError
from agentos.models.openai import OpenAIChat, OpenAIResponses
from tests.models.requests import answer
from tests.net.site import Site, page, site

HEAD = b"HTTP/1.1 %b\r\ncontent-type: text/event-stream\r\n\r\n"
EVENTS = {
    "text": b'data: {"type": "response.output_text.delta", "item_id": "a", "delta": "more ", '
    b'"choices": [{"index": 0, "delta": {"content": "more "}}]}\n\n' * 100,
    "events of another kind": b'data: {"type": "response.in_progress"}\n\n' * 100,
    "comments": b": still here\n" * 500,
    "one line": b"x" * 8192,
}
PATHS = ("/v1/chat/completions", "/v1/responses")


def endless(piece: bytes, status: bytes = b"200 OK") -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % status)
        while True:
            writer.write(piece)
            await writer.drain()

    return send


@pytest.fixture
async def provider() -> AsyncGenerator[Site]:
    async with site() as found:
        yield found


@pytest.fixture(params=[OpenAIChat, OpenAIResponses])
async def make_limited(provider: Site, request):
    models = []

    def make(**options):
        models.append(request.param(api_key="k", base_url=f"{provider.url}/v1", max_retries=2, **options))
        return models[-1]

    yield make
    for model in models:
        await model.aclose()


async def failing(model: OpenAIChat, *, stream: bool) -> ModelError:
    with pytest.raises(ModelError) as caught:
        async with asyncio.timeout(30):
            await answer(model, "hello", stream=stream)
    return caught.value


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_without_end_is_given_up(provider: Site, make_limited, kind: str, stream: bool):
    provider.pages |= dict.fromkeys(PATHS, endless(EVENTS[kind]))
    error = await failing(make_limited(max_response_bytes=300_000), stream=stream)
    assert error.code == "model_bad_response"
    assert "more than 300000 bytes in one response: raise max_response_bytes" in str(error)
    await provider.left.wait()
    assert len(provider.asked) == 1, "it isn't tried again"


@pytest.mark.parametrize(
    ("status", "code"), [(b"400 Bad", "model_rejected"), (b"401 No", "model_unauthorized")]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_without_end_is_cut_off_and_keeps_its_status(
    provider: Site, make_limited, status: bytes, code: str, stream: bool
):
    provider.pages |= dict.fromkeys(PATHS, endless(b"no " * 1000, status))
    assert (await failing(make_limited(), stream=stream)).code == code
    await provider.left.wait()


@pytest.mark.parametrize("stream", [True, False])
async def test_compressed_responses_are_counted_as_what_they_become(
    provider: Site, make_limited, stream: bool
):
    body = gzip.compress(b": still here\n" * 1_000_000)
    provider.pages |= dict.fromkeys(PATHS, page(body, content_encoding="gzip"))
    error = await failing(make_limited(max_response_bytes=5_000_000), stream=stream)
    assert "more than 5000000 bytes" in str(error)


async def test_a_compressed_answer_is_read(provider: Site):
    said = b'{"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Hello."}}]}'
    provider.pages[PATHS[0]] = page(gzip.compress(said), content_encoding="gzip")
    model = OpenAIChat(api_key="k", base_url=f"{provider.url}/v1", max_response_bytes=len(said))
    assert (await answer(model, "hello", stream=False)).content == "Hello."
    await model.aclose()


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_slow_to_parse_is_refused(provider: Site, make_limited, stream: bool):
    body = b'{"choices": [' + b"[]," * 2_000_000 + b"[]]}"
    provider.pages |= dict.fromkeys(PATHS, page(b"data: " + body + b"\n\n" if stream else body))
    error = await failing(make_limited(), stream=stream)
    assert (error.code, "too many values" in str(error)) == ("model_bad_response", True)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="max_response_bytes"):
        OpenAIChat(max_response_bytes=0)
