"""Databases that outlive one test: for servers that several tests talk to."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tests.conftest import administering, database_url


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[str]:
    """The URL of a database that has the tables and nothing in them."""
    name = f"flow_{uuid4().hex}"
    with administering(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield database_url(server_url, name)
    with administering(server_url) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
