"""Runs as rows and back: what is looked up in columns of its own, the rest as it was."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import RowMapping

from agentos.run.records import RunOutput

_COLUMNS: Final = (
    "run_id",
    "session_id",
    "kind",
    "runnable_id",
    "user_id",
    "parent_run_id",
    "status",
    "created_at",
)
_PAYLOADS: Final = ("input", "messages")
_APART: Final = {*_COLUMNS, *_PAYLOADS}


def run_row(run: RunOutput) -> dict[str, Any]:
    """The row of a run. Messages of earlier runs stay out: their own rows have them."""
    fields = dict(run)
    row = {name: fields[name] for name in _COLUMNS}
    row["status"] = run.status.value
    row["input"] = run.input
    row["messages"] = [message for message in run.messages if not message.from_history]
    row["details"] = {
        name: value for name, value in fields.items() if name not in _APART and value is not None
    }
    return row


def run_of(row: RowMapping) -> RunOutput:
    """The run of a row, which may leave out the messages."""
    columns = {name: row[name] for name in (*_COLUMNS, *_PAYLOADS) if name in row}
    return RunOutput.model_validate(row["details"] | columns)
