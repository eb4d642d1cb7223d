"""httpx2 over connections to checked addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from functools import cache
from ssl import SSLContext
from typing import Any, Final, cast

import httpcore2
import httpx2

from agentos.net.addresses import Guard

CONNECTIONS: Final = 10
"""Connections of one client. A request that waits for one doesn't use up its seconds."""
_TRY_SECONDS: Final = 3.0
"""Seconds to connect to one of a host's addresses that isn't the last."""


class Backend(httpcore2.AsyncNetworkBackend):
    """Opens connections to checked addresses. TLS begins above, with the name that was asked for."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        # Its type can't be told from that of its stand-in on machines without anyio.
        self._sockets = cast(httpcore2.AsyncNetworkBackend, httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Tries the host's addresses one after the other."""
        *others, last = await self._guard.addresses(host, port)
        for address in others:
            try:
                return await self._sockets.connect_tcp(
                    address, port, _TRY_SECONDS, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(last, port, timeout, local_address, socket_options)


class Transport(httpx2.AsyncBaseTransport):
    """Hands requests to a pool whose connections are opened by a `Backend`."""

    def __init__(self, backend: Backend, tls: SSLContext | None, proxy: str | None) -> None:
        self._backend = backend
        self._tls = tls
        self._proxy = proxy
        self._pool: httpcore2.AsyncConnectionPool | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2."""
        tls = self._tls or await asyncio.to_thread(_tls)
        if self._pool is None:
            proxy = None if self._proxy is None else _proxy(self._proxy, tls)
            self._pool = httpcore2.AsyncConnectionPool(
                tls, proxy, max_connections=CONNECTIONS, network_backend=self._backend
            )
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                _core_url(request.url),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(response.status, headers=response.headers, stream=_Stream(response))

    async def aclose(self) -> None:
        """Closes the pool."""
        if self._pool is not None:
            await self._pool.aclose()


class _Stream(httpx2.AsyncByteStream):
    """The body of an answer, as it arrives."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(self._response.aiter_stream()) as pieces:
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Closes the connection, unless the body has been read to its end."""
        await self._response.aclose()


def _proxy(url: str, tls: SSLContext) -> httpcore2.Proxy:
    proxy = httpx2.Proxy(url)
    is_encrypted = proxy.url.scheme == "https"
    return httpcore2.Proxy(
        _core_url(proxy.url), auth=proxy.raw_auth, ssl_context=tls if is_encrypted else None
    )


def _core_url(url: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


@cache
def _tls() -> SSLContext:
    """Made once, in a thread: reading all root certificates takes many milliseconds."""
    return httpx2.create_ssl_context()
