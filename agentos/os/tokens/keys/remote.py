"""Keys published by an identity provider, at a URL or found by OpenID discovery.

Documents from the network aren't trusted: each must be short, on time and valid JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpx

from agentos.errors import ConfigurationError
from agentos.os.auth_settings import shown
from agentos.os.tokens.keys.key import Key, from_jwk
from agentos.os.tokens.keys.key_set import JwksError, KeySet
from agentos.os.tokens.keys.refresh import COOL_DOWN, ChangingKeys

LONGEST_DOCUMENT: Final = 256 * 1024
"""Bytes; typical documents have a few thousand."""
FETCH_SECONDS: Final = 5.0
"""Timeout in seconds for one whole refresh, including discovery."""
YOUNGEST: Final = 300.0
OLDEST: Final = 86400.0
"""Bounds in seconds for the interval between refreshes, within which `Cache-Control` is honoured."""

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})(?!\d)", re.IGNORECASE)
_HEADERS: Final = {"Accept": "application/json, */*;q=0.5", "Accept-Encoding": "identity"}

logger = logging.getLogger("agentos.auth")


def jwks_url(
    url: str, algorithms: Sequence[str], *, fetch_seconds: float = FETCH_SECONDS, cool_down: float = COOL_DOWN
) -> ChangingKeys:
    """The keys of the JWKS at `url`, fetched on first use. ConfigurationError for an invalid URL."""
    _check("jwks_url", url)
    provider = _Provider(_public("jwks_url", algorithms), fetch_seconds)
    return ChangingKeys(lambda: provider.keys(url), cool_down=cool_down)


def discovered(
    issuer: str,
    algorithms: Sequence[str],
    *,
    fetch_seconds: float = FETCH_SECONDS,
    cool_down: float = COOL_DOWN,
) -> ChangingKeys:
    """The keys of an OpenID provider, by its issuer name (OpenID Connect Discovery 1.0 §4)."""
    _check("issuer", issuer)
    if urlsplit(issuer).query:
        raise ConfigurationError("issuer can't be used for key discovery: it must be a URL without a query.")
    provider = _Provider(_public("issuer", algorithms), fetch_seconds)
    return ChangingKeys(lambda: provider.keys_of(issuer), cool_down=cool_down)


def is_address(text: str) -> bool:
    """Whether keys may be fetched from the URL: over TLS, or from this machine."""
    parts = _split(text)
    if parts is None or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


class _Provider:
    """Fetches and parses a provider's documents; JwksError for unusable ones."""

    def __init__(self, algorithms: Sequence[str], fetch_seconds: float) -> None:
        self._algorithms = algorithms
        self._fetch_seconds = fetch_seconds

    async def keys(self, url: str) -> KeySet:
        """The keys of a JWKS."""
        async with _Fetches(self._fetch_seconds) as fetches:
            return await self._keys(fetches, url)

    async def keys_of(self, issuer: str) -> KeySet:
        """The keys of the JWKS in a discovery document, which must be the issuer's own."""
        async with _Fetches(self._fetch_seconds) as fetches:
            url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            document, _ = await fetches.get(url)
            return await self._keys(fetches, _jwks_uri(document, issuer))

    async def _keys(self, fetches: _Fetches, url: str) -> KeySet:
        document, max_age = await fetches.get(url)
        # Reading an RSA key takes its time.
        return await asyncio.to_thread(KeySet.parse, document, self._usable, max_age=max_age)

    def _usable(self, entry: Mapping[str, Any]) -> Key | None:
        try:
            return from_jwk(entry, self._algorithms, "the JWKS", strict=False)
        except ConfigurationError as error:
            logger.warning("Ignoring a key of the identity provider: %s", error)
            return None


class _Fetches:
    """The requests of one refresh, which share a connection and a deadline."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = asyncio.timeout(seconds)

    async def __aenter__(self) -> _Fetches:
        await self._deadline.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._deadline.__aexit__(*raised)
        except TimeoutError:
            raise JwksError("the identity provider didn't answer in time") from None

    async def get(self, url: str) -> tuple[bytes, float]:
        """A document, and its maximum age in seconds."""
        tls = await asyncio.to_thread(_tls)
        # A proxy stands between this machine and others; to this machine itself it would be a stranger.
        is_near = urlsplit(url).scheme == "http"
        try:
            async with (
                httpx.AsyncClient(verify=tls, timeout=self._seconds, trust_env=not is_near) as client,
                client.stream("GET", url, headers=_HEADERS, follow_redirects=False) as response,
            ):
                if response.status_code != 200:
                    raise JwksError(f"the identity provider answered {response.status_code}")
                return await _short(response), good_for(response.headers.get("cache-control", ""))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise JwksError("the identity provider can't be reached") from None


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()


async def _short(response: httpx.Response) -> bytes:
    document = bytearray()
    async for chunk in response.aiter_raw():
        document += chunk
        if len(document) > LONGEST_DOCUMENT:
            raise JwksError(f"the identity provider sent more than {LONGEST_DOCUMENT} bytes")
    return bytes(document)


def good_for(cache_control: str) -> float:
    """Seconds to use keys with this header before they are refreshed."""
    found = _MAX_AGE.search(cache_control)
    return min(max(float(found[1]) if found else 0.0, YOUNGEST), OLDEST)


def _jwks_uri(document: bytes, issuer: str) -> str:
    try:
        found: Any = json.loads(document)
    except (ValueError, RecursionError):
        raise JwksError("its discovery document isn't JSON") from None
    match found:
        case {"issuer": str(its_issuer), "jwks_uri": str(url)}:
            pass
        case _:
            raise JwksError("its discovery document names no issuer or no jwks_uri")
    if its_issuer != issuer:
        raise JwksError("its discovery document is another issuer's than the one configured")
    if not is_address(url) or (urlsplit(issuer).scheme, urlsplit(url).scheme) == ("https", "http"):
        raise JwksError("the jwks_uri of its discovery document is no https:// address")
    return url


def _check(parameter: str, url: str) -> None:
    parts = _split(url)
    if parts is None or not is_address(url):
        raise ConfigurationError(
            f"{parameter} must be an https:// address to fetch keys from; http:// only on this machine."
        )
    if parts.username is not None or parts.fragment:
        raise ConfigurationError(f"{parameter} must be an address without a user, a password or a fragment.")


def _split(text: str) -> SplitResult | None:
    """The parts of a URL; None if it is invalid or ambiguous."""
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _public(parameter: str, algorithms: Sequence[str]) -> list[str]:
    """Algorithms without those that need a secret, since published keys aren't secret."""
    asymmetric = [name for name in algorithms if not name.startswith("HS")]
    if not asymmetric:
        raise ConfigurationError(
            f"{parameter} publishes its keys, and algorithm={shown(algorithms)} needs a secret:"
            " pass the algorithm that the provider signs with, such as 'RS256'."
        )
    return asymmetric


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
