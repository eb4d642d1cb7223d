"""Dependencies of routes: the server, the owner and the database of a request."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request

from agentos.db.base import Db
from agentos.errors import NoDatabaseError, NotFoundError
from agentos.kinds import Kind
from agentos.os.http.field_types import RegisteredKind
from agentos.os.http.pace import caller_of
from agentos.os.principal import Access, access_of
from agentos.os.registry import Server
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Session

RowKind = Literal["sessions", "memories"]

UserId = Annotated[
    str | None, Query(description="Whose rows; only callers who may see everyone's can name a user.")
]
WithNested = Annotated[bool, Query(description="Also the runs that are part of others.")]
_DbId = Annotated[str | None, Query(description="Which database; without it, the server's own.")]
_Table = Annotated[str | None, Query(description="Which of its tables.")]


def server_of(request: Request) -> Server:
    """The server that this app belongs to."""
    server: Server = request.app.state.agentos
    return server


def owner_of(access: Access, requested: str | None, *, write: bool) -> Owner:
    """The owner whose rows the request may access. Callers with access to everyone's rows can name a user."""
    owner = access.owner(write=write)
    return requested if requested and owner is ANYONE else owner


def acting_for(access: Access, requested: str | None) -> tuple[Owner, str | None]:
    """The owner whose rows the request may access, and the user that new rows belong to."""
    user_id = access.user(requested)
    owner = access.owner(write=True)
    acts_for_another = owner is ANYONE and requested and user_id == requested
    return (user_id if acts_for_another and user_id else owner), user_id


async def reader(request: Request, user_id: UserId = None) -> Owner:
    """The owner whose rows the request reads."""
    return owner_of(access_of(request.scope), user_id, write=False)


async def writer(request: Request, user_id: UserId = None) -> Owner:
    """The owner whose rows the request changes."""
    return owner_of(access_of(request.scope), user_id, write=True)


class StreamSlot:
    """Counts one event stream of the caller, from `take` until the response has been sent."""

    def __init__(self, request: Request) -> None:
        self._caller = caller_of(request)
        self._streams = server_of(request).streams
        self._is_taken = False

    def take(self) -> None:
        """TooManyStreamsError if the caller has too many open."""
        self._streams.open(self._caller)
        self._is_taken = True

    def give_back(self) -> None:
        """Does nothing if nothing was taken."""
        if self._is_taken:
            self._streams.close(self._caller)
            self._is_taken = False


async def _stream_slot(request: Request) -> AsyncGenerator[StreamSlot]:
    slot = StreamSlot(request)
    try:
        yield slot
    finally:
        slot.give_back()


Slot = Annotated[StreamSlot, Depends(_stream_slot)]


async def one_stream(slot: Slot) -> None:
    """Counts the response as an event stream. TooManyStreamsError if the caller has too many open."""
    slot.take()


async def session_in_path(
    request: Request, session_id: Annotated[str, Path(description="The session's id.")]
) -> str:
    """The session in the path. NotFoundError if the token confines the caller to another one."""
    if not access_of(request.scope).may_enter(session_id):
        raise NotFoundError("Session", session_id)
    return session_id


async def sessions_db(request: Request, db_id: _DbId = None, table: _Table = None) -> Db:
    """The database for a request about sessions."""
    return _db(server_of(request), "sessions", db_id, table)


async def memories_db(request: Request, db_id: _DbId = None, table: _Table = None) -> Db:
    """The database for a request about memories."""
    return _db(server_of(request), "memories", db_id, table)


def _db(server: Server, rows: RowKind, db_id: str | None, table: str | None) -> Db:
    registry = server.registry
    if registry.default_db is None:
        raise NoDatabaseError("No database is configured on this AgentOS")
    if db_id is None and table is None:
        return registry.default_db
    wanted = registry.default_db.id if db_id is None else db_id
    dbs = [db for db in registry.dbs if db.id == wanted]
    if not dbs:
        raise NotFoundError("Database", wanted, message=f"No database found with id {wanted!r}")
    if table is None:
        return dbs[0]
    for db in dbs:
        if db.tables[rows] == table:
            return db
    raise NotFoundError("Table", table, message=f"No database with id {wanted!r} has table {table!r}")


async def find_session(db: Db, session_id: str, owner: Owner, kind: Kind | None) -> Session:
    """The session, if it has that owner and a runnable of that kind is in it; otherwise NotFoundError."""
    session = await db.get_session(session_id, owner=owner)
    if session is None or kind not in {None, session.kind, *(each.kind for each in session.joined)}:
        raise NotFoundError("Session" if kind is None else f"{kind.capitalize()} Session", session_id)
    return session


SessionId = Annotated[str, Depends(session_in_path)]
Reader = Annotated[Owner, Depends(reader)]
Writer = Annotated[Owner, Depends(writer)]
SessionsDb = Annotated[Db, Depends(sessions_db)]
MemoriesDb = Annotated[Db, Depends(memories_db)]
Type = Annotated[
    RegisteredKind | None, Query(description="Of which kind the session is; others are then not found.")
]
