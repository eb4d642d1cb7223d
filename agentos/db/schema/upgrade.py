"""Upgrades the tables with Alembic, under a lock that all processes share.

The revisions are in `migrations/`, next to the package in a checkout and inside it in a wheel.
`docs/upgrades.md` has the rules for operators and for authors of revisions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.schema import CreateSchema

from agentos.db.connection.errors import answering, permitted
from agentos.db.connection.url import blocking_engine
from agentos.db.schema import deferred, row_security, version_table
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import tables_under
from agentos.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

OLDEST_POSTGRES: Final = 15
"""Oldest supported major version."""

# Alembic keeps the migration that runs in module globals.
_alembic = Lock()
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The revision of the tables, and the one that this version of agentos needs."""

    current: str | None
    """None if there are no tables yet."""
    head: str
    version_table: str | None = None
    """The table that stores `current`."""
    deferred: tuple[str, ...] = ()
    """Work that `Schema.upgrade` has yet to do on up-to-date tables. Servers run without it."""

    @property
    def is_current(self) -> bool:
        """Whether servers can use the tables."""
        return self.current == self.head


class DatabaseSchema:
    """Creates and upgrades the tables of one `PostgresDb`. It blocks: call it in a thread.

    `migrations` is the folder of the revisions, if they aren't with the package.
    """

    def __init__(self, url: URL, names: TableNames, *, migrations: Path | None = None) -> None:
        self._url = url
        self._names = names
        self._tables = tables_under(names)
        self._migrations = migrations or migrations_folder()
        self.command = names.upgrade_command
        """What an operator runs to upgrade these tables."""
        self._lock = Lock()
        self.is_ready = False
        """Whether `ensure` has succeeded."""
        self.role = row_security.ROLE
        """The role that transactions act as, once `is_ready`; `""` is the login role."""

    def ensure(self, *, create: bool, reached: Callable[[], object] = lambda: None) -> None:
        """Ensures once that the tables are up to date; without `create` it only checks.

        Calls `reached` once it knows their state, which an upgrade may take long to change.
        ConfigurationError if they aren't and can't be upgraded. Deferred work isn't done.
        """
        with self._lock:
            if self.is_ready:
                return
            status, role = self._look()
            reached()
            if create and (not status.is_current or status.version_table != self._names.version_table):
                self._revise()
                if left := self.status().deferred:
                    _logger.warning("Run `%s` to finish the upgrade: %s", self.command, ", ".join(left))
                role = self._bound_role()
            elif not status.is_current:
                raise ConfigurationError(
                    f"The tables in db_schema={self._names.schema!r} are at revision {status.current}, "
                    f"this version of agentos needs {status.head}: run `{self.command}`."
                )
            if role is None and create:
                self._revise()
                role = self._bound_role()
            if role is None:
                raise ConfigurationError(
                    "Row-level security doesn't apply to the role in db_url, and the role may not act as "
                    f"{row_security.ROLE}, to which it applies: run `{self.command}` with a role that owns "
                    "the tables and may create roles, then "
                    f"GRANT {row_security.ROLE} to the one in db_url."
                )
            self.role = role
            self.is_ready = True

    def status(self) -> SchemaStatus:
        """Reads the status without changing anything."""
        with self._permitted(), self._engine.begin() as connection:
            status = self._status(connection)
            if not status.is_current:
                return status
            row_security.lift(connection)
            return replace(status, deferred=deferred.left(connection, self._tables, self._backfills()))

    def upgrade(self) -> SchemaStatus:
        """Creates or upgrades the tables in one transaction, then does the deferred work.

        Concurrent callers wait for the tables and leave the deferred work to the first.
        """
        self._revise()
        key = lock_key(f"upgrade {self._names.schema}")
        with self._permitted():
            deferred.finish(self._engine, self._tables, self._backfills(), key=key)
        return self.status()

    @contextmanager
    def restoration(self, revision: str) -> Generator[Connection]:
        """Creates the tables at `revision` for the block to fill, then upgrades them, in one transaction.

        Inside, neither policies nor grants are in force yet, and there are no indexes but those of keys.
        ConfigurationError if there are tables already, or if the revision is of a newer agentos.
        """
        schema = self._names.schema
        if revision not in _revisions(self._migrations):
            raise ConfigurationError(
                f"The tables to restore are at revision {revision}, which is newer than this version of "
                "agentos: upgrade agentos."
            )
        with _alembic, self._permitted(), self._engine.begin() as connection:
            self._take_turns(connection)
            self._status(connection)
            if present := version_table.present(connection, self._names):
                raise ConfigurationError(
                    f"There are tables in db_schema={schema!r} already, like {present[0]!r}: restore into "
                    "an empty database."
                )
            self._migrate(connection, revision)
            yield connection
            self._migrate(connection, "head")
            self._complete(connection, is_new=True)

    def _look(self) -> tuple[SchemaStatus, str | None]:
        """The status, and the bound role, which is looked for only if the tables are current."""
        with self._permitted(), self._engine.connect() as connection:
            status = self._status(connection)
            return status, row_security.bound_role(connection, self._tables) if status.is_current else None

    def _revise(self) -> None:
        with _alembic, self._permitted(), self._engine.begin() as connection:
            self._upgrade(connection)

    def _bound_role(self) -> str | None:
        with self._permitted(), self._engine.connect() as connection:
            return row_security.bound_role(connection, self._tables)

    @contextmanager
    def _permitted(self) -> Generator[None]:
        remedy = (
            f"The role in db_url may not use or change the tables in db_schema={self._names.schema!r}: "
            f"grant it that, or run `{self.command}` with a role that may."
        )
        with permitted(remedy), answering(self._url, is_start=True):
            yield

    def _upgrade(self, connection: Connection) -> None:
        schema = self._names.schema
        self._take_turns(connection)
        before = self._status(connection)
        if before.current is not None and before.current not in _revisions(self._migrations):
            raise ConfigurationError(
                f"The tables in db_schema={schema!r} are at revision {before.current}, which is newer than "
                "this version of agentos: upgrade agentos."
            )
        self._migrate(connection, "head")
        self._complete(connection, is_new=before.current is None)

    def _take_turns(self, connection: Connection) -> None:
        key = {"key": lock_key(self._names.schema)}
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), key)

    def _migrate(self, connection: Connection, revision: str) -> None:
        from alembic.command import upgrade

        create_schema(connection, self._names.schema)
        row_security.lift(connection)
        config = self._config()
        place = version_table.settle(connection, self._names)
        config.attributes.update(connection=connection, names=self._names, version_table=place)
        upgrade(config, revision)

    def _complete(self, connection: Connection, *, is_new: bool) -> None:
        """What no revision does: indexes, unless they are deferred, and the role of transactions."""
        if is_new:
            indexes = deferred.missing_indexes(connection, self._tables)
            deferred.build(connection, indexes, concurrently=False)
        if row_security.bound_role(connection, self._tables) is None:
            row_security.enforce(connection, self._tables)

    def _status(self, connection: Connection) -> SchemaStatus:
        require_postgres(int((connection.dialect.server_version_info or [0])[0]))
        head = _revisions(self._migrations)[-1]
        found = version_table.find(connection, self._names)
        if found is None:
            return SchemaStatus(current=None, head=head)
        return SchemaStatus(current=found.revision, head=head, version_table=found.table)

    def _backfills(self) -> list[deferred.Backfill]:
        from alembic.script import ScriptDirectory

        scripts = reversed(list(ScriptDirectory.from_config(self._config()).walk_revisions()))
        given = [getattr(script.module, "backfills", None) for script in scripts]
        return [backfill for backfills in given if backfills for backfill in backfills(self._names)]

    def _config(self) -> Config:
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(self._migrations).replace("%", "%%"))
        return config

    @cached_property
    def _engine(self) -> Engine:
        return blocking_engine(self._url)


def create_schema(connection: Connection, name: str) -> None:
    """Creates the schema if there is none."""
    found = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :schema"
    # Looked up first: IF NOT EXISTS asks for the right to create it even if it is there.
    if connection.execute(text(found), {"schema": name}).first() is None:
        connection.execute(CreateSchema(name))


def require_postgres(version: int) -> None:
    """ConfigurationError if this major version of the server is too old."""
    if version < OLDEST_POSTGRES:
        raise ConfigurationError(
            f"The server in db_url is Postgres {version}, and agentos needs {OLDEST_POSTGRES} or newer: "
            "upgrade the server, or name another one."
        )


@cache
def _revisions(migrations: Path) -> list[str]:
    """All revisions, newest last: the numbers that the file names start with."""
    files = (migrations / "versions").glob("[0-9]*.py")
    return sorted(file.stem.partition("_")[0] for file in files)


def lock_key(name: str) -> int:
    """The advisory lock for changes to the tables in schema `name`."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)


def migrations_folder() -> Path:
    """The folder of the revisions."""
    installed = Path(__file__).parents[1] / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "migrations"
