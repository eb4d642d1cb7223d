"""`PostgresDb`: all of storage in one Postgres database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy.engine import URL

from agentos.db.connection.engine import Engine
from agentos.db.connection.url import parse_url
from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import tables_under
from agentos.db.schema.upgrade import DatabaseSchema
from agentos.db.stores.acceptance import AcceptanceStore
from agentos.db.stores.approvals import ApprovalStore
from agentos.db.stores.audit import AuditStore
from agentos.db.stores.deletion import DeletionStore
from agentos.db.stores.events import EventStore
from agentos.db.stores.memories import MemoryStore
from agentos.db.stores.notifications import NotificationStore
from agentos.db.stores.runs import RunStore
from agentos.db.stores.service_accounts import ServiceAccountStore
from agentos.db.stores.sessions import SessionStore
from agentos.db.stores.transfer import TransferStore
from agentos.db.stores.workers import WorkerStore
from agentos.errors import ConfigurationError
from agentos.utils.names import checks_parameters


@checks_parameters
class PostgresDb(
    SessionStore,
    AcceptanceStore,
    RunStore,
    EventStore,
    WorkerStore,
    NotificationStore,
    MemoryStore,
    ServiceAccountStore,
    AuditStore,
    ApprovalStore,
    DeletionStore,
    TransferStore,
):
    """The database at `db_url`, as in `postgresql+psycopg://user:password@host:5432/database`.

    The constructor doesn't connect. The first call, or `start`, creates or upgrades the tables; with
    `create_schema=False` it only checks that `agentos db upgrade` has been run. Several instances may share a
    database and a schema under different table names.

    Each event loop has up to `pool_size` connections. A call waits at most `pool_timeout` seconds for one and
    `query_timeout` seconds in total; then it fails with DatabaseUnavailableError.

    A session's state has at most about `max_state_bytes` of JSON, and 5,000 keys. A request that would exceed
    this is refused, and a run that does fails and leaves the state as it was: StateTooLargeError.
    """

    def __init__(
        self,
        db_url: str | None = None,
        *,
        db_schema: str = "ai",
        session_table: str = "agentos_sessions",
        runs_table: str = "agentos_runs",
        event_table: str = "agentos_run_events",
        memory_table: str = "agentos_memories",
        service_account_table: str = "agentos_service_accounts",
        audit_table: str = "agentos_audit",
        executor_table: str = "agentos_executors",
        approval_table: str = "agentos_approvals",
        state_change_table: str = "agentos_state_changes",
        media_table: str = "agentos_media",
        id: str | None = None,  # noqa: A002 - the wire's word
        create_schema: bool = True,
        pool_size: int = 10,
        pool_timeout: float = 5,
        query_timeout: float = 30,
        max_state_bytes: int = 1024 * 1024,
    ) -> None:
        url = parse_url(db_url)
        limits = {
            "pool_size": pool_size,
            "pool_timeout": pool_timeout,
            "query_timeout": query_timeout,
            "max_state_bytes": max_state_bytes,
        }
        for name, value in limits.items():
            if value <= 0:
                raise ConfigurationError(f"{name}={value} must be more than 0.")
        names = TableNames(
            db_schema,
            session_table,
            runs_table,
            event_table,
            memory_table,
            service_account_table,
            audit_table,
            executor_table,
            approval_table,
            state_change_table,
            media_table,
        )
        self._id = id or _derived_id(url, db_schema)
        self._shown = url.set(query={}).render_as_string(hide_password=True)  # any of it may be secret
        self._url = url.render_as_string(hide_password=False)
        self.schema = DatabaseSchema(url, names)
        """The revision of the tables: `schema.status()` and `schema.upgrade()`; both block."""
        engine = Engine(
            url,
            self.schema,
            create_schema=create_schema,
            pool_size=pool_size,
            pool_timeout=pool_timeout,
            query_timeout=query_timeout,
        )
        super().__init__(engine, tables_under(names))
        self.max_state_bytes = max_state_bytes

    def __repr__(self) -> str:
        return f"PostgresDb({self._shown!r}, db_schema={self._tables.names.schema!r})"

    @property
    def id(self) -> str:
        """Stable for one database and schema; sent to clients as `db_id`."""
        return self._id

    @property
    def url(self) -> str:
        """For libraries that need their own connections. Contains the password: never show or log it."""
        return self._url

    @property
    def tables(self) -> Mapping[Literal["sessions", "runs", "events", "memories"], str]:
        """The table names in use."""
        names = self._tables.names
        return {
            "sessions": names.sessions,
            "runs": names.runs,
            "events": names.events,
            "memories": names.memories,
        }

    async def start(self) -> None:
        """Prepares the tables now instead of at the first call. May be called repeatedly.

        ConfigurationError if that can't succeed before somebody acts, as after a wrong password; then nothing
        is retried. DatabaseUnavailableError if it may succeed later, within 5 seconds if Postgres is silent.
        """
        await self._engine.start()

    async def close(self) -> None:
        """Closes all connections of the running event loop."""
        await self._engine.close()


def _derived_id(url: URL, schema: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"postgresql://{url.host}:{url.port or 5432}/{url.database}#{schema}"))
