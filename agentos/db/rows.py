"""Converts records to rows and back. Fields that are queried have their own columns; the rest is JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import RowMapping

from agentos.db.contracts.runs import OpenedRun, RunReads
from agentos.db.filters import bounded
from agentos.run.messages import Message
from agentos.run.records import Memory, RunOutput, Session
from agentos.run.request import RunRequest

MAX_MEMORIES: Final = 50
"""How many of a user's memories a run gets, newest first."""

_COLUMNS: Final = (
    "run_id",
    "session_id",
    "kind",
    "runnable_id",
    "user_id",
    "parent_run_id",
    "root_run_id",
    "depth",
    "status",
    "created_at",
)
_PAYLOADS: Final = ("input", "messages")
_APART: Final = {*_COLUMNS, *_PAYLOADS, "children", "model", "session_state", "steps"}
_USAGE: Final = ("time_to_first_token", "input_tokens", "output_tokens", "total_tokens")
_OF_CHILDREN: Final = {"child_requirements", "child_metrics"}


def run_row(run: RunOutput) -> dict[str, Any]:
    """The row of a run, without the messages of earlier runs, which are in their own rows.

    The session's state is stored once, with the session.
    """
    fields = dict(run)
    row = {name: fields[name] for name in _COLUMNS}
    row["status"] = run.status.value
    row["input"] = run.input
    row["model"] = run.model
    row["steps"] = run.steps or None
    row |= {name: getattr(run.metrics, name) if run.metrics else None for name in _USAGE}
    row["messages"] = [message for message in run.messages if not message.from_history]
    row["details"] = {
        name: value
        for name, value in fields.items()
        if name not in _APART and value is not None and (value or name not in _OF_CHILDREN)
    }
    return row


def run_of(row: RowMapping) -> RunOutput:
    """The run of a row, which may lack the messages."""
    columns = {name: row[name] for name in (*_COLUMNS, *_PAYLOADS) if name in row}
    columns |= {name: row[name] for name in ("model", "steps") if row.get(name) is not None}
    columns["session_id"] = _session_id(row)
    return RunOutput.model_validate(row["details"] | columns)


def session_of(row: RowMapping | dict[str, Any]) -> Session:
    """The session of a row."""
    fields = {name: row[name] for name in Session.model_fields if name in row}
    return Session.model_validate({**fields, "session_id": _session_id(row), "joined": row["joined"] or []})


def _session_id(row: RowMapping | dict[str, Any]) -> str:
    """The id that clients use, in a row that has the session's key."""
    return row["given_session_id"] or row["session_id"]


def reading(reads: RunReads) -> dict[str, Any]:
    """Parameters of the statements that read what a run needs when it starts."""
    return {
        "defaults": dict(reads.session_defaults),
        "default_keys": list(reads.session_defaults),
        "history_runs": bounded(max(reads.history_runs, 0)),
        "memories": MAX_MEMORIES if reads.memories else 0,
    }


def opened(run: RunOutput, request: RunRequest, row: RowMapping, **more: Any) -> OpenedRun:
    """A run with the history and memories of its row. Earlier messages are marked as history."""
    histories: list[list[Mapping[str, Any]]] = row["history"] or []
    messages = [message for messages in histories for message in messages]
    return OpenedRun(
        run=run,
        request=request,
        history=[Message.model_validate({**message, "from_history": True}) for message in messages],
        memories=[Memory.model_validate(memory) for memory in row["memories"] or ()],
        **more,
    )
