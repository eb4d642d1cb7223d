"""Reads the token of a request from a header (RFC 6750), a cookie, or either; never from the query."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agentos.os.auth_settings import AuthSettings, TokenSource
from agentos.os.tokens.claims import TokenError

Headers = Iterable[tuple[bytes, bytes]]
"""In ASGI format, with lower-case names."""

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token as received."""

    token: str
    is_cookie: bool
    """Browsers send cookies automatically, even for pages of other sites."""


class CredentialReader:
    """Finds the token in a request's headers."""

    def __init__(self, settings: AuthSettings) -> None:
        self.source = TokenSource(settings.token_source)
        self.header = settings.token_header_key
        """The header's name."""
        self.cookie = settings.cookie_name
        """The cookie's name."""

    def find(self, headers: Headers) -> Credentials:
        """The token of a request. TokenError if there is none, or more than one."""
        if self.source is not TokenSource.COOKIE:
            token = self._in_header(headers)
            if token is not None:
                return Credentials(token, is_cookie=False)
        if self.source is not TokenSource.HEADER:
            token = self._in_cookie(headers)
            if token is not None:
                return Credentials(token, is_cookie=True)
        raise TokenError(self._missing, code="missing_token")

    def _in_header(self, headers: Headers) -> str | None:
        name = self.header.lower().encode()
        values = [value.decode("latin-1") for key, value in headers if key == name]
        if len(values) > 1:
            raise TokenError(f"Invalid token: more than one {self.header} header")
        match = _BEARER.fullmatch(values[0]) if values else None
        return match[1] if match else None

    def _in_cookie(self, headers: Headers) -> str | None:
        crumbs = [
            crumb.strip(" ")
            for key, value in headers
            if key == b"cookie"
            for crumb in value.decode("latin-1").split(";")
        ]
        values = {crumb.partition("=")[2] for crumb in crumbs if crumb.startswith(f"{self.cookie}=")}
        if len(values) > 1:
            raise TokenError(f"Invalid token: more than one {self.cookie} cookie")
        return next(iter(values), "").strip('"') or None

    @property
    def _missing(self) -> str:
        match self.source:
            case TokenSource.HEADER:
                return f"{self.header} header missing"
            case TokenSource.COOKIE:
                return f"JWT cookie '{self.cookie}' missing"
            case TokenSource.BOTH:
                return f"JWT token missing from both {self.header} header and '{self.cookie}' cookie"
