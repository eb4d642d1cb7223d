"""`agentos token`: creates tokens for trying out a server, and inspects tokens."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from agentos import environment
from agentos.cli import durations
from agentos.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Create and inspect tokens.")

_SIZES = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_TIMES = ("exp", "nbf", "iat")

KeyFile = Annotated[
    Path | None, typer.Option(help="A file with the key; by default, the key is read from the environment.")
]


@app.command()
def mint(
    sub: Annotated[str, typer.Option(help="The user's id.")],
    scopes: Annotated[str, typer.Option(help='What it allows, e.g. "agents:read agents:run".')] = "",
    ttl: Annotated[str, typer.Option(help="How long it is valid: 90s, 30m, 12h, 7d.")] = "1h",
    aud: Annotated[str | None, typer.Option(help="The id of the AgentOS that accepts it.")] = None,
    key_file: KeyFile = None,
    algorithm: Annotated[
        str | None, typer.Option(help="HS256, RS256, …; by default, the usual one for the key.")
    ] = None,
) -> None:
    """Prints a token signed with the key in AGENTOS_JWT_SIGNING_KEY (a secret, or a private key in PEM)."""
    from agentos.os.tokens import issue

    key = _key(key_file, "AGENTOS_JWT_SIGNING_KEY")
    if key is None:
        raise ConfigurationError("No signing key: set AGENTOS_JWT_SIGNING_KEY or give --key-file.")
    typer.echo(
        issue.mint(
            sub,
            key=key,
            algorithm=algorithm,
            scopes=scopes.split(),
            audience=aud,
            ttl=durations.parse(ttl, "--ttl"),
        )
    )


@app.command()
def inspect(
    token: Annotated[str, typer.Argument(help="The token; `-` reads it from standard input.")],
    key_file: KeyFile = None,
) -> None:
    """Shows the contents of a token. With a key (AGENTOS_JWT_VERIFICATION_KEY), its signature is verified.

    Exits with 1 if the signature is wrong or the token isn't currently valid.
    """
    from agentos.os.tokens import issue

    text = sys.stdin.readline() if token == "-" else token  # noqa: S105 - not a password, a dash
    found = issue.inspect(text.strip(), key=_key(key_file, "AGENTOS_JWT_VERIFICATION_KEY"))
    now = datetime.now(UTC)
    for name, value in {**found.header, **found.claims}.items():
        typer.echo(f"{_plain(name)}: {_shown(name, value, now)}")
    verdict = {
        None: "not verified: set AGENTOS_JWT_VERIFICATION_KEY or give --key-file",
        True: "verified",
        False: "WRONG: this key didn't make it",
    }
    typer.echo(f"signature {verdict[found.verified]}")
    if found.verified is False or not _is_current(found.claims, now):
        raise typer.Exit(1)


def _key(file: Path | None, variable: str) -> str | None:
    if file is None:
        return environment.read(variable)
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--key-file={str(file)!r} can't be read.") from error


def _shown(name: str, value: Any, now: datetime) -> str:
    text = _plain(value)
    time = _time(value) if name in _TIMES else None
    return text if time is None else f"{text} ({time:%Y-%m-%d %H:%M:%S} UTC, {_distance(time - now)})"


def _plain(value: Any) -> str:
    """Formats a claim as JSON, so that control characters in a token can't reach the terminal."""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _distance(away: timedelta) -> str:
    seconds = abs(round(away.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _SIZES if seconds >= size), _SIZES[-1])
    count = round(seconds / size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if away < timedelta(0) else f"in {words}"


def _is_current(claims: Mapping[str, Any], now: datetime) -> bool:
    """Whether a server without leeway would accept the token now. An invalid time counts as expired."""
    expires, begins = (_time(claims[name]) if name in claims else None for name in ("exp", "nbf"))
    has_expired = "exp" in claims and (expires is None or expires <= now)
    has_begun = "nbf" not in claims or (begins is not None and begins <= now)
    return has_begun and not has_expired
