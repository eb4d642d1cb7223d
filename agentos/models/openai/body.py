"""What happens to the body of a provider's response before the SDK sees it.

It is decompressed and limited. An error in a body whose status is a success becomes the status of the
response, so that the SDK treats both alike: it retries what is worth it, and honours Retry-After.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue
from pydantic_core import from_json

from agentos.errors import InvalidInputError
from agentos.models.openai.codec import ServerEvents
from agentos.models.openai.failures import http_status, nonsense, too_long
from agentos.run.bounds import MAX_SIZE, JsonLimits

if TYPE_CHECKING:
    from httpx2 import AsyncByteStream, Response

_ERROR_BYTES: Final = 64 * 1024
"""Bytes that are read of an error's body."""
_LIMITS: Final = JsonLimits(bytes=MAX_SIZE)


def parse(text: bytes) -> JsonValue:
    """ModelError if parsing would take long; `max_response_bytes` alone allows millions of values."""
    check(text)
    return from_json(text)


def check(text: bytes) -> None:
    """ModelError if parsing `text` would take long."""
    try:
        _LIMITS.check(text)
    except InvalidInputError:
        raise nonsense("its answer isn't JSON, or has too many values") from None


def prepared(max_bytes: int) -> Callable[[Response], Awaitable[None]]:
    """A hook for the HTTP client. `max_bytes` limits every response; bodies of errors are cut off."""

    async def prepare(response: Response) -> None:
        source = _stream_of(response)
        pieces = _limited(_decompressed(response, source), max_bytes, cut_off=not response.is_success)
        if response.is_success:
            read, first = await _beginning(pieces)
            status = _status_in(first)
            if status is None:
                pieces = _joined(read, pieces)
            else:
                response.status_code = status
                pieces = _joined([first], None)
        response.stream = _replacement(pieces, source)

    return prepare


def _stream_of(response: Response) -> AsyncByteStream:
    import httpx2

    assert isinstance(response.stream, httpx2.AsyncByteStream)
    return response.stream


def _replacement(pieces: AsyncIterable[bytes], source: AsyncByteStream) -> AsyncByteStream:
    import httpx2

    class Replacement(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncGenerator[bytes]:
            async for piece in pieces:
                yield piece

        async def aclose(self) -> None:
            await source.aclose()

    return Replacement()


def _decompressed(response: Response, source: AsyncByteStream) -> AsyncIterable[bytes]:
    """The limit counts what a body becomes."""
    import httpx2

    if "content-encoding" not in response.headers:
        return source
    packed = httpx2.Response(response.status_code, headers=response.headers, stream=source)
    del response.headers["content-encoding"]
    return packed.aiter_bytes()


async def _limited(pieces: AsyncIterable[bytes], max_bytes: int, *, cut_off: bool) -> AsyncGenerator[bytes]:
    most = min(max_bytes, _ERROR_BYTES) if cut_off else max_bytes
    async for piece in pieces:
        most -= len(piece)
        if most >= 0:
            yield piece
        elif cut_off:
            return
        else:
            raise too_long(max_bytes)


async def _joined(read: list[bytes], rest: AsyncIterator[bytes] | None) -> AsyncGenerator[bytes]:
    for piece in read:
        yield piece
    if rest is not None:
        async for piece in rest:
            yield piece


async def _beginning(pieces: AsyncIterator[bytes]) -> tuple[list[bytes], bytes]:
    """Reads as far as an error would reach: all that was read, and the first event or the whole body."""
    read: list[bytes] = []
    left = _ERROR_BYTES
    events = ServerEvents()
    is_json: bool | None = None
    async for piece in pieces:
        read.append(piece)
        left -= len(piece)
        if left < 0:
            return read, b""
        if is_json is None and (text := piece.lstrip()):
            is_json = text.startswith((b"{", b"["))
        if not is_json and (found := events.feed(piece)):
            return read, found[0]
    return read, b"".join(read)


def _status_in(text: bytes) -> int | None:
    """The status of the error that `text` reports instead of an answer."""
    if b'"error"' not in text:
        return None
    try:
        body = parse(text)
    except ValueError:
        return None
    match body:
        case {"error": dict(error)} | [{"error": dict(error)}] if error:
            return http_status(error.get("code"))
        case {"choices": [{"error": dict(error)}]}:
            return http_status(error.get("code"))
        case _:
            return None
