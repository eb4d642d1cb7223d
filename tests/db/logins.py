"""Roles that may log in, which only a superuser can make."""

import secrets

import psycopg


class Logins:
    """Roles that may log in, on a database of the test's own."""

    def __init__(self, superuser: str) -> None:
        self.superuser = superuser
        self.made: list[str] = []

    def create(self, attributes: str = "") -> str:
        """The URL for a new role with `attributes`."""
        name = f"login_{secrets.token_hex(8)}"
        self.made.append(name)
        self.run(f"CREATE ROLE {name} LOGIN PASSWORD 'x' {attributes}")
        return f"postgresql://{name}:x@{self.superuser.rpartition('@')[2]}"

    def run(self, *statements: str):
        with psycopg.connect(self.superuser.replace("+psycopg", ""), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None


def name_in(url) -> str:
    """The name of the role in a URL."""
    return url.partition("://")[2].partition(":")[0]
