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
        signing = checking = out / SECRET
        _refuse_existing(signing, checking)
        _write(signing, secrets.token_urlsafe(48), mode=0o600)
    else:
        signing, checking = out / PRIVATE_KEY, out / PUBLIC_KEY
        _refuse_existing(signing, checking)
        private, public = _pair(algorithm)
        _write(signing, private, mode=0o600)
        _write(checking, public, mode=0o644)
    typer.echo(f"# {signing} signs tokens: keep it secret. {checking} verifies them.")
    typer.echo(_exports(signing, checking))


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
        raise ConfigurationError(f"{str(path)!r} can't be written: give another --out.") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _refuse_existing(signing: Path, checking: Path) -> None:
    """ConfigurationError that says how to use keys that exist."""
    existing = [path for path in (signing, checking) if path.exists()]
    if not existing:
        return
    hint = f" To use these keys, run:\n{_exports(signing, checking)}" if checking.exists() else ""
    raise ConfigurationError(
        f"{str(existing[0])!r} already exists: move it or give another --out for new keys.{hint}"
    )


def _exports(signing: Path, checking: Path) -> str:
    """Shell assignments, for `eval "$(agentos keys generate)"`."""
    return "\n".join(
        f'export {name}="$(cat {shlex.quote(str(path))})"'
        for name, path in (("JWT_SIGNING_KEY", signing), ("JWT_VERIFICATION_KEY", checking))
        if path.exists()
    )
