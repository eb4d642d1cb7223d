"""Runs as shown by the session routes, and the full record of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agentos.os.api.schemas.pages import Utc
from agentos.os.api.schemas.runnables import OfRunnable
from agentos.os.api_model import ApiModel
from agentos.run.messages import Message
from agentos.run.records import RunOutput, RunStatus

PREVIEW = 200
"""Characters of an answer in a preview."""


class RunRecord(ApiModel):
    """One whole run, as returned with `stream=false`. Nulls are left out, times are epoch seconds."""

    run_id: str
    """The run's id."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    agent_name: str | None = None
    """The agent's name."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    team_name: str | None = None
    """The team's name."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    workflow_name: str | None = None
    """The workflow's name."""
    session_id: str
    """The run's session."""
    parent_run_id: str | None = None
    """The run that this one is nested in."""
    user_id: str | None = None
    """The run's user."""
    content: Any = None
    """The answer: text, or an object if the answer is structured."""
    content_type: str | None = None
    """`str`, or the name of the answer's schema."""
    reasoning_content: str | None = None
    """The model's reasoning."""
    model: str | None = None
    """The provider's name for the model."""
    model_provider: str | None = None
    """The model's provider."""
    model_provider_data: dict[str, Any] | None = None
    """Additional data from the provider."""
    session_state: dict[str, Any] | None = None
    """The session's state at the end of the run."""
    created_at: int
    """When the run was accepted, in epoch seconds."""
    status: str
    """Status of the run."""
    error_type: str | None = None
    """The stable code of the error, if `status` is ERROR."""
    error_id: str | None = None
    """Also in the server's log, next to the cause of the error."""
    metrics: dict[str, Any] | None = None
    """Tokens and seconds."""
    messages: list[dict[str, Any]] | None = None
    """Messages of this run, without those of earlier runs."""
    tools: list[dict[str, Any]] | None = None
    """The tool calls."""
    metadata: dict[str, Any] | None = None
    """The caller's metadata for the run."""
    input: dict[str, Any] | None = None
    """What the caller sent."""
    forked_from_run_id: str | None = None
    """The run from which this one was forked."""
    regenerated_from: str | None = None
    """The run whose question this one answers again."""
    requirements: list[dict[str, Any]] | None = None
    """What a paused run waits for."""
    member_responses: list[RunRecord] | None = None
    """The runs nested directly in it, each with its own, if they are to be included."""
    members_left_out: int | None = None
    """How many nested runs are too many to be included; read their pages with `nested=true`."""


class AcceptedRun(ApiModel):
    """202: the run was queued."""

    run_id: str
    """The run's id."""
    session_id: str
    """The run's session."""
    status: RunStatus
    """Status of the run."""


class Cancelled(ApiModel):
    """200: the run will end soon."""


class RunSchema(OfRunnable):
    """One run of a session."""

    run_id: str
    """The run's id."""
    parent_run_id: str | None = None
    """The run that this one is nested in."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    user_id: str | None = None
    """The run's user."""
    status: str
    """Status of the run."""
    run_input: str | None = None
    """What the caller sent."""
    content: Any = None
    """The answer: text, or an object if the answer is structured."""
    run_response_format: str
    """`text`, or `json` for a structured answer."""
    reasoning_content: str | None = None
    """The model's reasoning."""
    error_type: str | None = None
    """The stable code of the error, if `status` is ERROR."""
    error_id: str | None = None
    """Also in the server's log, next to the cause of the error."""
    metrics: dict[str, Any] | None = None
    """Tokens and seconds."""
    metadata: dict[str, Any] | None = None
    """The caller's metadata for the run."""
    messages: list[dict[str, Any]] | None = None
    """Messages of this run, without those of earlier runs."""
    tools: list[dict[str, Any]] | None = None
    """The tool calls."""
    created_at: Utc
    """When the run was accepted."""
    session_state: dict[str, Any] | None = None
    """The session's state at the end of the run."""
    images: list[dict[str, Any]] | None = None
    """Images sent with the message."""
    files: list[dict[str, Any]] | None = None
    """Documents sent with the message."""
    forked_from_run_id: str | None = None
    """The run from which this one was forked."""
    regenerated_from: str | None = None
    """The run whose question this one answers again."""

    @classmethod
    def of(cls, run: RunOutput) -> RunSchema:
        """The run as shown."""
        dumped = run.model_dump(mode="json", exclude_none=True)
        sent = dumped.get("input", {})
        return cls.shown(
            run.kind,
            run.runnable_id,
            {
                **dumped,
                "run_input": sent.get("input_content"),
                "images": sent.get("images"),
                "files": sent.get("files"),
                "run_response_format": "text" if run.content_type == "str" else "json",
                "tools": [tool.model_dump(mode="json") for tool in run.tools] or None,
                "messages": dumped.get("messages") or None,
                "created_at": moment(run.created_at),
            },
        )


class RunPreview(OfRunnable):
    """A shortened run."""

    run_id: str
    """The run's id."""
    parent_run_id: str | None = None
    """The run that this one is nested in."""
    agent_id: str | None = None
    """The agent's id, if it is an agent's."""
    team_id: str | None = None
    """The team's id, if it is a team's."""
    workflow_id: str | None = None
    """The workflow's id, if it is a workflow's."""
    user_id: str | None = None
    """The run's user."""
    status: str
    """Status of the run."""
    run_input: str | None = None
    """Start of the caller's input."""
    content_preview: str | None = None
    """Start of the answer."""
    created_at: Utc
    """When the run was accepted."""

    @classmethod
    def of(cls, run: RunOutput) -> RunPreview:
        """The run as shown."""
        return cls.shown(
            run.kind,
            run.runnable_id,
            {
                "run_id": run.run_id,
                "parent_run_id": run.parent_run_id,
                "user_id": run.user_id,
                "status": run.status,
                "run_input": run.input.input_content[:PREVIEW] if run.input else None,
                "content_preview": None if run.content is None else str(run.content)[:PREVIEW],
                "created_at": moment(run.created_at),
            },
        )


def messages(runs: list[RunOutput]) -> list[dict[str, Any]]:
    """All messages of all runs, oldest first."""
    return [_message(message) for run in runs for message in run.messages]


def _message(message: Message) -> dict[str, Any]:
    return message.model_dump(mode="json", exclude_none=True)


def moment(seconds: int) -> datetime:
    """Converts epoch seconds to a time."""
    return datetime.fromtimestamp(seconds, UTC)
