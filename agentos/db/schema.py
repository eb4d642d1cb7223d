"""Bringing the tables up to date: Alembic, under a lock that replicas share.

The revisions are in `migrations/`, next to the package in a checkout and inside it in a wheel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import CreateSchema

from agentos.db.connection import answering, connect_args
from agentos.db.tables import TableNames
from agentos.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic keeps the migration that runs in module globals.
_alembic = Lock()


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which revision the tables are at, and which one this version of agentos needs."""

    current: str | None
    """None: there are no tables yet."""
    head: str

    @property
    def is_current(self) -> bool:
        """Whether nothing needs to be done."""
        return self.current == self.head


class Schema:
    """The tables of one `PostgresDb`, to be created and upgraded. It blocks: call it in a thread."""

    def __init__(self, url: URL, names: TableNames) -> None:
        self._url = url
        self._names = names
        self._lock = Lock()
        self.is_ready = False
        """Whether `ensure` has succeeded."""

    def ensure(self, *, create: bool) -> None:
        """Makes sure, once, that the tables are up to date; without `create` it only looks.

        ConfigurationError if they aren't and can't be made so.
        """
        with self._lock:
            if self.is_ready:
                return
            status = self.status()
            if not status.is_current:
                if not create:
                    raise ConfigurationError(
                        f"The tables in db_schema={self._names.schema!r} are at revision {status.current}, "
                        f"this version of agentos needs {status.head}: run `agentos db upgrade`."
                    )
                self.upgrade()
            self.is_ready = True

    def status(self) -> SchemaStatus:
        """Looks, and changes nothing."""
        with answering(self._url), self._engine.connect() as connection:
            return self._status(connection)

    def upgrade(self) -> SchemaStatus:
        """Creates or upgrades the tables, all or nothing; whoever else tries meanwhile waits."""
        with _alembic, answering(self._url), self._engine.begin() as connection:
            try:
                self._upgrade(connection)
            except ProgrammingError as error:
                if not isinstance(error.orig, InsufficientPrivilege):
                    raise
                raise ConfigurationError(
                    f"The role in db_url may not make or change tables in db_schema={self._names.schema!r}: "
                    "grant it CREATE there, or run `agentos db upgrade` with a role that may."
                ) from error
            return self._status(connection)

    def _upgrade(self, connection: Connection) -> None:
        from alembic.command import upgrade

        schema = self._names.schema
        key = int.from_bytes(sha256(schema.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        status = self._status(connection)
        if status.current is not None and status.current not in self._revisions:
            raise ConfigurationError(
                f"The tables in db_schema={schema!r} are at revision {status.current}, which is newer than "
                "this version of agentos: upgrade agentos."
            )
        found = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :schema"
        # Looked up first: IF NOT EXISTS asks for the right to create it even if it is there.
        if connection.execute(text(found), {"schema": schema}).first() is None:
            connection.execute(CreateSchema(schema))
        config = self._config
        config.attributes.update(connection=connection, names=self._names)
        upgrade(config, "head")

    def _status(self, connection: Connection) -> SchemaStatus:
        from alembic.runtime.migration import MigrationContext

        options = {"version_table": self._names.version_table, "version_table_schema": self._names.schema}
        context = MigrationContext.configure(connection, opts=options)
        return SchemaStatus(current=context.get_current_revision(), head=self._revisions[0])

    @cached_property
    def _engine(self) -> Engine:
        return create_engine(
            self._url, poolclass=NullPool, connect_args=connect_args(self._url), hide_parameters=True
        )

    @cached_property
    def _config(self) -> Config:
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
        return config

    @cached_property
    def _revisions(self) -> list[str]:
        """The newest first."""
        from alembic.script import ScriptDirectory

        return [script.revision for script in ScriptDirectory.from_config(self._config).walk_revisions()]


def migrations_folder() -> Path:
    """Where the revisions are."""
    installed = Path(__file__).with_name("migrations")
    return installed if installed.is_dir() else Path(__file__).parents[2] / "migrations"
