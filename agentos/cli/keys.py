"""`agentos keys`: key pairs and secrets for signing tokens."""

from __future__ import annotations

import os
import secrets
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agentos.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Create keys that sign and verify tokens.")

PRIVATE_KEY, PUBLIC_KEY, SECRET = "jwt-private.pem", "jwt-public.pem", "jwt-secret.txt"


class Algorithm(StrEnum):
    """What the key is for."""

    RS256 = "rs256"
    ES256 = "es256"
    EDDSA = "eddsa"
    HS256 = "hs256"


@app.command()
def generate(
    out: Annotated[Path, typer.Option(help="The folder for the files.")] = Path(),
    algorithm: Annotated[
        Algorithm, typer.Option(case_sensitive=False, help="hs256 creates one secret, the others a key pair.")
    ] = Algorithm.RS256,
) -> None:
    """Generates a key pair or a secret, readable only by you. Existing files are never overwritten."""
    if algorithm is Algorithm.HS256:
        _write(out / SECRET, secrets.token_urlsafe(48), mode=0o600)
        _tell(signing=out / SECRET, checking=out / SECRET)
        return
    private, public = _pair(algorithm)
    _refuse_existing(out / PUBLIC_KEY)
    _write(out / PRIVATE_KEY, private, mode=0o600)
    _write(out / PUBLIC_KEY, public, mode=0o644)
    _tell(signing=out / PRIVATE_KEY, checking=out / PUBLIC_KEY)


def _pair(algorithm: Algorithm) -> tuple[str, str]:
    from agentos.utils import cryptography

    match algorithm:
        case Algorithm.ES256:
            return cryptography.generate_ec_keys()
        case Algorithm.EDDSA:
            return cryptography.generate_ed25519_keys()
        case _:
            return cryptography.generate_rsa_keys()


def _write(path: Path, text: str, *, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The mode from the first moment on: not even briefly may others read a private key.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        _refuse_existing(path)
        raise ConfigurationError(f"{str(path)!r} can't be written: give another --out.") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise ConfigurationError(f"{str(path)!r} already exists: move it or give another --out.")


def _tell(*, signing: Path, checking: Path) -> None:
    """Prints shell assignments, for `eval "$(agentos keys generate)"`."""
    typer.echo(f"# {signing} signs tokens: keep it secret. {checking} verifies them.")
    for name, path in (("JWT_SIGNING_KEY", signing), ("JWT_VERIFICATION_KEY", checking)):
        typer.echo(f'export {name}="$(cat {shlex.quote(str(path))})"')
