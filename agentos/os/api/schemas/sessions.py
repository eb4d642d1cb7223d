"""Sessions as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from agentos.db.contracts.sessions import SessionSort
from agentos.os.api.schemas.pages import PageQuery, SortOrder, Utc
from agentos.os.http.field_types import Id, JsonObject, RegisteredKind, Text
from agentos.run.kinds import Kind
from agentos.run.records import Session

MAX_NAME = 1000
"""Characters of a session's name."""
MAX_DELETED = 1000
"""Rows one call may delete."""


class SessionsQuery(PageQuery):
    """Which sessions to list."""

    type: RegisteredKind | None = None
    component_id: str | None = None
    """An agent's, team's or workflow's id."""
    user_id: str | None = None
    session_name: str | None = None
    """A part of a name that somebody gave; upper and lower case are the same."""
    sort_by: SessionSort = "created_at"
    sort_order: SortOrder = "desc"


class SessionSchema(BaseModel):
    """One session in a list."""

    session_id: str
    session_name: str
    session_state: dict[str, Any] | None = None
    created_at: Utc
    updated_at: Utc
    session_type: Kind
    user_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    session_summary: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    total_tokens: int | None = None
    metadata: dict[str, Any] | None = None

    @classmethod
    def of(cls, session: Session) -> SessionSchema:
        """The session as shown."""
        return cls.model_validate({**_common(session), "session_type": session.kind})


class SessionDetail(BaseModel):
    """One session with all that was said in it."""

    user_id: str | None = None
    agent_session_id: str | None = None
    session_id: str
    session_name: str
    session_summary: dict[str, Any] | None = None
    session_state: dict[str, Any] | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    total_tokens: int | None = None
    metrics: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    chat_history: list[dict[str, Any]] | None = None
    created_at: Utc
    updated_at: Utc

    @classmethod
    def of(cls, session: Session, chat_history: list[dict[str, Any]]) -> SessionDetail:
        """The session as shown."""
        fields = {**_common(session), "chat_history": chat_history}
        if session.kind == "agent":
            fields["agent_session_id"] = session.session_id
        return cls.model_validate(fields)


def _common(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "session_name": session.session_name or session.title or "",
        "session_state": session.session_state,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "user_id": session.user_id,
        f"{session.kind}_id": session.runnable_id,
        "session_summary": session.summary,
        "metrics": session.metrics.model_dump(mode="json", exclude_none=True),
        "total_tokens": session.metrics.total_tokens,
        "metadata": session.metadata,
    }


class CreateSession(BaseModel):
    """A session to begin with; everything may be left out."""

    session_id: Id | None = None
    session_name: Text | None = Field(default=None, max_length=MAX_NAME)
    session_state: JsonObject | None = None
    metadata: JsonObject | None = None
    user_id: Id | None = None
    agent_id: Id | None = None
    team_id: Id | None = None
    workflow_id: Id | None = None


class UpdateSession(BaseModel):
    """What to change; each field given replaces the old value."""

    session_name: Text | None = Field(default=None, max_length=MAX_NAME)
    session_state: JsonObject | None = None
    metadata: JsonObject | None = None
    summary: JsonObject | None = None


class RenameSession(BaseModel):
    """A name for people."""

    session_name: Text = Field(min_length=1, max_length=MAX_NAME)


class DeleteSessions(BaseModel):
    """Which sessions to delete, and of which type each is."""

    session_ids: list[str] = Field(min_length=1, max_length=MAX_DELETED)
    session_types: list[RegisteredKind] = Field(min_length=1, max_length=MAX_DELETED)

    @model_validator(mode="after")
    def _same_length(self) -> DeleteSessions:
        if len(self.session_ids) != len(self.session_types):
            raise ValueError("session_ids and session_types must have the same length")
        return self


class ForkedSession(BaseModel):
    """A copy of a session."""

    session_id: str
    forked_from_session_id: str
