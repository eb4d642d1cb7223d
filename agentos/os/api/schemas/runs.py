"""Runs as the session routes show them, and the shape of a run's full record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from agentos.os.api.schemas.pages import Utc
from agentos.run.messages import Message
from agentos.run.records import RunOutput, RunStatus

PREVIEW = 200
"""Characters of an answer in a preview."""


class RunRecord(BaseModel):
    """One run in full, as `stream=false` answers it. Nulls are left out, times are epoch seconds."""

    run_id: str
    agent_id: str | None = None
    agent_name: str | None = None
    session_id: str
    parent_run_id: str | None = None
    user_id: str | None = None
    content: Any = None
    content_type: str | None = None
    reasoning_content: str | None = None
    model: str | None = None
    model_provider: str | None = None
    model_provider_data: dict[str, Any] | None = None
    session_state: dict[str, Any] | None = None
    created_at: int
    status: str
    error_type: str | None = None
    metrics: dict[str, Any] | None = None
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    input: dict[str, Any] | None = None
    forked_from_run_id: str | None = None
    """The run whose beginning this one shares."""
    regenerated_from: str | None = None
    """The run that this one answers anew."""
    requirements: list[dict[str, Any]] | None = None
    """What a paused run waits for."""


class AcceptedRun(BaseModel):
    """202: a run in the background."""

    run_id: str
    session_id: str
    status: RunStatus


class RunSchema(BaseModel):
    """One run of a session."""

    run_id: str
    parent_run_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    user_id: str | None = None
    status: str
    run_input: str | None = None
    content: Any = None
    run_response_format: str
    """`text`, or `json` for a structured answer."""
    reasoning_content: str | None = None
    metrics: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    created_at: Utc
    session_state: dict[str, Any] | None = None
    images: list[dict[str, Any]] | None = None
    files: list[dict[str, Any]] | None = None
    forked_from_run_id: str | None = None
    regenerated_from: str | None = None

    @classmethod
    def of(cls, run: RunOutput) -> RunSchema:
        """The run as shown."""
        dumped = run.model_dump(mode="json", exclude_none=True)
        sent = dumped.get("input", {})
        return cls.model_validate(
            {
                **dumped,
                f"{run.kind}_id": run.runnable_id,
                "run_input": sent.get("input_content"),
                "images": sent.get("images"),
                "files": sent.get("files"),
                "run_response_format": "text" if run.content_type == "str" else "json",
                "tools": [tool.model_dump(mode="json") for tool in run.tools] or None,
                "messages": dumped.get("messages") or None,
                "created_at": moment(run.created_at),
            }
        )


class RunPreview(BaseModel):
    """The beginning of one run."""

    run_id: str
    parent_run_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    user_id: str | None = None
    status: str
    run_input: str | None = None
    content_preview: str | None = None
    created_at: Utc

    @classmethod
    def of(cls, run: RunOutput) -> RunPreview:
        """The run as shown."""
        return cls.model_validate(
            {
                f"{run.kind}_id": run.runnable_id,
                "run_id": run.run_id,
                "parent_run_id": run.parent_run_id,
                "user_id": run.user_id,
                "status": run.status,
                "run_input": run.input.input_content[:PREVIEW] if run.input else None,
                "content_preview": None if run.content is None else str(run.content)[:PREVIEW],
                "created_at": moment(run.created_at),
            }
        )


def messages(runs: list[RunOutput]) -> list[dict[str, Any]]:
    """A conversation: every message of every run, oldest first."""
    return [_message(message) for run in runs for message in run.messages]


def _message(message: Message) -> dict[str, Any]:
    return message.model_dump(mode="json", exclude_none=True)


def moment(seconds: int) -> datetime:
    """Epoch seconds as a time."""
    return datetime.fromtimestamp(seconds, UTC)
