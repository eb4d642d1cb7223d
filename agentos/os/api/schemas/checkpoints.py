"""The places of a run's conversation from which it can be taken up."""

from __future__ import annotations

from typing import Any, Literal

from agentos.os.api_model import ApiModel
from agentos.run.messages import Role
from agentos.run.records import RunOutput, RunStatus
from agentos.run.wire import run_output
from agentos.runner.branches import points

PREVIEW = 120
"""Characters of a message in a preview."""


class Checkpoint(ApiModel):
    """One place, behind the first `message_index` messages."""

    checkpoint_id: str | None = None
    """1, 2, 3 … in the list; null for a place at which the run can't be taken up."""
    run_id: str
    """The run's id."""
    session_id: str
    """The run's session."""
    message_index: int
    """How many messages come before the place."""
    continue_from: int
    """What to send to `continue` to go on from here."""
    status: RunStatus
    """Where the run stands."""
    reason: Literal["checkpoint", "end", "snapshot"]
    """What makes it a place: a turn's end (`checkpoint`), the run's `end`, or that it was asked for."""
    created_at: int
    """When the message before the place was written, in epoch seconds."""
    message_id: str | None = None
    """The id of the message before the place."""
    message_role: Role | None = None
    """That message's role."""
    message_preview: str | None = None
    """That message's beginning."""
    is_latest: bool
    """Whether nothing comes behind it."""


class CheckpointList(ApiModel):
    """All places of a run."""

    run_id: str
    """The run's id."""
    session_id: str
    """The run's session."""
    checkpoints: list[Checkpoint]
    """In the order of the conversation."""

    @classmethod
    def of(cls, run: RunOutput) -> CheckpointList:
        """The run's."""
        found = [_checkpoint(run, number, name=str(index)) for index, number in enumerate(points(run), 1)]
        return cls(run_id=run.run_id, session_id=run.session_id, checkpoints=found)


class CheckpointSnapshot(ApiModel):
    """A run as it was at one place."""

    checkpoint: Checkpoint
    """The place."""
    snapshot: dict[str, Any]
    """The run as it was there."""

    @classmethod
    def of(cls, run: RunOutput, number: int) -> CheckpointSnapshot:
        """The run cut behind its first `number` messages, with the calls that were answered there."""
        messages = run.messages[:number]
        answered = {message.tool_call_id for message in messages if message.role == "tool"}
        cut = run.model_copy(
            update={
                "messages": messages,
                "tools": [tool for tool in run.tools if tool.tool_call_id in answered],
                **({} if number == len(run.messages) else {"content": None, "reasoning_content": None}),
            }
        )
        known = {each: str(index) for index, each in enumerate(points(run), 1)}
        entry = _checkpoint(run, number, name=known.get(number), reason="snapshot")
        return cls(checkpoint=entry, snapshot=run_output(cut))


def _checkpoint(
    run: RunOutput,
    number: int,
    *,
    name: str | None,
    reason: Literal["snapshot"] | None = None,
) -> Checkpoint:
    message = run.messages[number - 1] if number else None
    is_latest = number == len(run.messages)
    return Checkpoint(
        checkpoint_id=name,
        run_id=run.run_id,
        session_id=run.session_id,
        message_index=number,
        continue_from=number,
        status=run.status,
        reason=reason or ("end" if is_latest else "checkpoint"),
        created_at=message.created_at if message else run.created_at,
        message_id=message.id if message else None,
        message_role=message.role if message else None,
        message_preview=_beginning(message.content) if message else None,
        is_latest=is_latest,
    )


def _beginning(text: str | None) -> str | None:
    return None if text is None else " ".join(text[: 10 * PREVIEW].split())[:PREVIEW]
