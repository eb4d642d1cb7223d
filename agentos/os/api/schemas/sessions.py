"""Sessions as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from agentos.db.contracts.sessions import SessionSort
from agentos.kinds import Kind
from agentos.os.api.schemas.pages import PageQuery, SortOrder, Utc
from agentos.os.api.schemas.runnables import OfRunnable
from agentos.os.api_model import ApiModel
from agentos.os.http.field_types import Id, JsonObject, PathId, RegisteredKind, Text
from agentos.run.records import Session

MAX_NAME = 1000
"""Characters of a session's name."""
MAX_DELETED = 1000
"""Rows that one call may delete."""


class SessionFilter(PageQuery):
    """Which sessions to list."""

    type: RegisteredKind | None = None
    """Only sessions of this kind."""
    component_id: str | None = None
    """An agent's, team's or workflow's id."""
    user_id: str | None = None
    """Only this user's; only callers who may see everyone's sessions can name a user."""
    session_name: str | None = None
    """A case-insensitive substring of an explicitly set name."""
    sort_by: SessionSort = "created_at"
    """What to sort by."""
    sort_order: SortOrder = "desc"
    """The direction."""


class ParticipantSchema(ApiModel):
    """A runnable that takes part in a session."""

    type: Kind
    """Its kind."""
    id: str
    """Its id."""


class SessionSchema(OfRunnable):
    """One session in a list."""

    session_id: str
    """The session's id."""
    session_name: str
    """The name that was set, or the start of the first message."""
    session_state: dict[str, Any] | None = None
    """State that is shared by its runs."""
    created_at: Utc
    """When it was created."""
    updated_at: Utc
    """When it last changed."""
    session_type: Kind
    """The kind of the runnable that began it."""
    participants: list[ParticipantSchema]
    """The runnables that have run in it: the one that began it first."""
    user_id: str | None = None
    """The session's user."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    session_summary: dict[str, Any] | None = None
    """A summary of the conversation."""
    metrics: dict[str, Any] | None = None
    """Tokens and seconds, summed over all runs."""
    total_tokens: int | None = None
    """Tokens, summed over all runs."""
    metadata: dict[str, Any] | None = None
    """The creator's metadata."""

    @classmethod
    def of(cls, session: Session) -> SessionSchema:
        """The session as shown."""
        fields = {**_common(session), "session_type": session.kind}
        return cls.shown(session.kind, session.runnable_id, fields)


class SessionDetail(OfRunnable):
    """One session with its messages."""

    user_id: str | None = None
    """The session's user."""
    agent_session_id: str | None = None
    """The same as `session_id`, if it is an agent's session."""
    session_id: str
    """The session's id."""
    session_name: str
    """The name that was set, or the start of the first message."""
    session_summary: dict[str, Any] | None = None
    """A summary of the conversation."""
    session_state: dict[str, Any] | None = None
    """State that is shared by its runs."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    total_tokens: int | None = None
    """Tokens, summed over all runs."""
    metrics: dict[str, Any] | None = None
    """Tokens and seconds, summed over all runs."""
    metadata: dict[str, Any] | None = None
    """The creator's metadata."""
    participants: list[ParticipantSchema]
    """The runnables that have run in it: the one that began it first."""
    chat_history: list[dict[str, Any]] | None = None
    """The messages of the newest 100 runs, oldest first."""
    created_at: Utc
    """When it was created."""
    updated_at: Utc
    """When it last changed."""

    @classmethod
    def of(cls, session: Session, chat_history: list[dict[str, Any]]) -> SessionDetail:
        """The session as shown."""
        own_id = {f"{session.kind}_session_id": session.session_id}
        fields = {**_common(session), **own_id, "chat_history": chat_history}
        return cls.shown(session.kind, session.runnable_id, fields)


def _common(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "session_name": session.session_name or session.title or "",
        "session_state": session.session_state,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "participants": [{"type": each.kind, "id": each.id} for each in session.participants],
        "user_id": session.user_id,
        "session_summary": session.summary,
        "metrics": session.metrics.model_dump(mode="json", exclude_none=True),
        "total_tokens": session.metrics.total_tokens,
        "metadata": session.metadata,
    }


class CreateSession(ApiModel):
    """A session to create. All fields are optional."""

    session_id: PathId | None = None
    """The session's id; generated if omitted."""
    session_name: Text | None = Field(default=None, max_length=MAX_NAME)
    """A display name."""
    session_state: JsonObject | None = None
    """Initial state, shared by its runs."""
    metadata: JsonObject | None = None
    """The creator's metadata."""
    user_id: Id | None = None
    """The session's user, if the request has no token."""
    agent_id: Id | None = None
    """The agent it is for, if `type` is agent."""
    team_id: Id | None = None
    """The team it is for, if `type` is team."""
    workflow_id: Id | None = None
    """The workflow it is for, if `type` is workflow."""


class UpdateSession(ApiModel):
    """Fields to change; each given field replaces the old value."""

    session_name: Text | None = Field(default=None, max_length=MAX_NAME)
    """A display name."""
    session_state: JsonObject | None = None
    """State that is shared by its runs."""
    metadata: JsonObject | None = None
    """The creator's metadata."""
    summary: JsonObject | None = None
    """A summary of the conversation."""


class RenameSession(ApiModel):
    """A name for people."""

    session_name: Text = Field(min_length=1, max_length=MAX_NAME)
    """The new name."""


class DeleteSessions(ApiModel):
    """The sessions to delete, and their types."""

    session_ids: list[str] = Field(min_length=1, max_length=MAX_DELETED)
    """The sessions' ids."""
    session_types: list[RegisteredKind] = Field(min_length=1, max_length=MAX_DELETED)
    """The type of each, in the same order."""

    @model_validator(mode="after")
    def _same_length(self) -> DeleteSessions:
        if len(self.session_ids) != len(self.session_types):
            raise ValueError("session_ids and session_types must have the same length")
        return self


class ForkedSession(ApiModel):
    """A copy of a session."""

    session_id: str
    """The copy's id."""
    forked_from_session_id: str
    """The id of the session that was copied."""
