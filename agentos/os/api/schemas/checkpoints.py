"""The points of a run's conversation from which it can be continued."""

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
    """One point, after the first `message_index` messages."""

    checkpoint_id: str | None = None
    """1, 2, 3 … in the list; null for a point from which the run can't be continued."""
    run_id: str
    """The run's id."""
    session_id: str
    """The run's session."""
    message_index: int
    """Number of messages before the point."""
    continue_from: int
    """The value of `continue_from` that continues from here."""
    status: RunStatus
    """Status of the run."""
    reason: Literal["checkpoint", "end", "snapshot"]
    """Kind of point: end of a turn (`checkpoint`), end of the run (`end`), or a point that was requested."""
    created_at: int
    """Time of the message before the point, in epoch seconds."""
    message_id: str | None = None
    """Id of the message before the point."""
    message_role: Role | None = None
    """Role of that message."""
    message_preview: str | None = None
    """Start of that message."""
    is_latest: bool
    """Whether this is the end of the conversation."""


class CheckpointList(ApiModel):
    """All points of a run."""

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
    """A run as it was at one point."""

    checkpoint: Checkpoint
    """The point."""
    snapshot: dict[str, Any]
    """The run as it was at that point."""

    @classmethod
    def of(cls, run: RunOutput, number: int) -> CheckpointSnapshot:
        """The run after its first `number` messages, with the calls answered by then."""
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
