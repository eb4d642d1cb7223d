"""Requests with limits on bytes, seconds and redirects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from typing import Final

import httpcore2
import httpx2

from agentos.errors import AddressRefusedError, AnswerTooLargeError, ConfigurationError, FetchError
from agentos.net import addresses
from agentos.net.addresses import Guard, Resolve, networks_of
from agentos.net.transport import CONNECTIONS, Backend, Transport

MAX_BYTES: Final = 10 * 1024 * 1024
"""Bytes of one answer, decompressed."""
SECONDS: Final = 30.0
"""Seconds for one request, from resolving the name to the last byte, redirects included."""
MAX_REDIRECTS: Final = 5
_PASSED_ON: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})
"""The caller's headers that another origin is sent after a redirect; others may be secrets."""
_OWN: Final = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})
"""Headers that httpx sets."""

_FAILURES: Final = (
    OSError,
    httpx2.HTTPError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status."""

    url: str
    """The address that answered, after redirects."""
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    content: bytes
    """Decompressed."""


class Client:
    """Fetches addresses that somebody else names, from the public internet only.

    `networks` are allowed although they aren't public (`"10.1.0.0/16"`), and `origins` are servers that the
    operator trusts, wherever they are (`"http://localhost:8080"`). `max_bytes` limits one answer and
    `seconds` one request.

    Proxy variables of the environment are ignored. `proxy` is the URL of an HTTP proxy; it resolves names
    itself, so it must refuse internal addresses as well. `tls` replaces the trusted certificates.

    Nothing is kept from one request for the next but connections: no cookies, no credentials.
    """

    def __init__(
        self,
        *,
        networks: Iterable[str] = (),
        origins: Iterable[str] = (),
        max_bytes: int = MAX_BYTES,
        seconds: float = SECONDS,
        proxy: str | None = None,
        tls: SSLContext | None = None,
        resolve: Resolve = addresses.resolve,
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._proxied = proxy is not None
        trusted = {_endpoint(origin, "origins") for origin in origins}
        self._guard = Guard(networks_of(networks), trusted, resolve)
        near = self._guard if proxy is None else Guard((), {_endpoint(proxy, "proxy")}, resolve)
        self._http = httpx2.AsyncClient(
            transport=Transport(Backend(near), tls, proxy),
            trust_env=False,
            timeout=None,  # `seconds` limits the whole request
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """`request` with GET."""
        return await self.request("GET", url, headers=headers)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        max_redirects: int = MAX_REDIRECTS,
    ) -> Answer:
        """The answer to one request.

        Up to `max_redirects` redirects are followed; with 0, one is an answer like any other. Another origin
        isn't sent `headers`, except for plain ones such as `Accept`.
        AddressRefusedError if an address isn't public, AnswerTooLargeError beyond `max_bytes`, FetchError if
        the server can't be reached, takes too long or speaks no HTTP.
        """
        async with self._slots:
            try:
                async with asyncio.timeout(self._seconds):
                    request = self._http.build_request(method, url, headers=headers, content=content)
                    return await self._follow(request, max_redirects)
            except TimeoutError:
                raise FetchError(f"The server took longer than {self._seconds:g} seconds.") from None
            except (httpx2.InvalidURL, UnicodeError):
                raise AddressRefusedError("This is no address that can be fetched.") from None
            except _FAILURES as error:
                raise FetchError("The server can't be reached, or broke off its answer.") from error

    async def _follow(self, request: httpx2.Request, max_redirects: int) -> Answer:
        for _ in range(max_redirects + 1):
            await self._check(request.url)
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                if response.next_request is None or max_redirects == 0:
                    content = await self._content(response)
                    return Answer(str(response.url), response.status_code, dict(response.headers), content)
                request = _redirected(request, response.next_request)
            finally:
                await response.aclose()
        raise FetchError("The server redirects too often.")

    async def _check(self, url: httpx2.URL) -> None:
        if url.scheme not in {"http", "https"} or not url.host:
            raise AddressRefusedError("Only addresses that begin with http:// or https:// are fetched.")
        if not 0 < _port(url) < 65536:
            raise AddressRefusedError("This is no address that can be fetched.")
        if url.userinfo:
            raise AddressRefusedError("Addresses with a user or a password in them aren't fetched.")
        if self._proxied:
            await self._guard.check_if_known(url.raw_host.decode(), _port(url))

    async def _content(self, response: httpx2.Response) -> bytes:
        content = bytearray()
        async with aclosing(response.aiter_bytes()) as pieces:
            async for piece in pieces:
                content += piece
                if len(content) > self._max_bytes:
                    raise AnswerTooLargeError(f"The server's answer has more than {self._max_bytes} bytes.")
        return bytes(content)


def _redirected(before: httpx2.Request, request: httpx2.Request) -> httpx2.Request:
    """`request` without the caller's headers, if it is for another origin."""
    if _endpoint_of(request.url) != _endpoint_of(before.url) or request.url.scheme != before.url.scheme:
        for name in {*request.headers} - _PASSED_ON - _OWN:
            del request.headers[name]
    return request


def _endpoint(url: str, parameter: str) -> tuple[str, int]:
    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL:
        parts = httpx2.URL()
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise ConfigurationError(f"{parameter}= takes addresses that begin with http:// or https://.")
    return _endpoint_of(parts)


def _endpoint_of(url: httpx2.URL) -> tuple[str, int]:
    return url.raw_host.decode().lower(), _port(url)


def _port(url: httpx2.URL) -> int:
    if url.port is not None:
        return url.port
    return 443 if url.scheme == "https" else 80
