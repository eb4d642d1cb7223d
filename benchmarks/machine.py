"""What is measured is real: Postgres, a model's stand-in and every server, each a process of its own."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import time
from urllib.parse import urlsplit

import jwt
import psycopg
from psycopg.sql import SQL, Identifier

from agentos.db.embedded import EmbeddedPostgres
from tests.flows.processes import Process, environment, free_port, running

ROOT = Path(__file__).parents[1]
WORDS = 50
"""The length of each answer; streamed, a word is an event."""
SECRET = secrets.token_urlsafe(48)
USER = "alice"


def token(user: str = USER) -> str:
    """A token that may do everything here, but is no administrator's."""
    claims = {"sub": user, "scopes": ["app:read", "app:run", "app:execute"], "exp": int(time()) + 24 * 3600}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@contextmanager
def postgres() -> Generator[EmbeddedPostgres]:
    """A Postgres in the mode that tests use, without fsync: disks differ more than programs do."""
    folder = tempfile.mkdtemp(prefix="agentos-bench-")
    try:
        with EmbeddedPostgres(folder, fsync=False) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(server: EmbeddedPostgres, name: str) -> str:
    """The URL of a new, empty database."""
    with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return server.url(name)


def at_port(url: str, port: int) -> str:
    """The same database behind another port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()


@contextmanager
def fake_openai(delay: float) -> Generator[str]:
    """The base URL of a model that writes a word every `delay` seconds, 0 being as fast as it can."""
    command = [
        sys.executable,
        "-m",
        "tests.fakes.openai_server",
        "--words",
        str(WORDS),
        "--delay",
        str(delay),
    ]
    with running(command, cwd=ROOT, env=environment(), until=["http://127.0.0.1:"]) as process:
        yield process.output.strip()


@contextmanager
def server(module: str, db: str, model: str = "") -> Generator[int]:
    """The port of `benchmarks.apps.<module>` under uvicorn with one worker."""
    with serving(module, db, model) as (_, port):
        yield port


@contextmanager
def serving(module: str, db: str, model: str = "") -> Generator[tuple[Process, int]]:
    """The same with its process."""
    port = free_port()
    options = ["--port", str(port), "--no-access-log", "--lifespan", "on"]
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.apps.{module}:app", *options]
    settings = environment(
        DATABASE_URL=db, OPENAI_BASE_URL=model, OPENAI_API_KEY="sk-bench", JWT_VERIFICATION_KEY=SECRET
    )
    with running(command, cwd=ROOT, env=settings) as process:
        yield process, port
