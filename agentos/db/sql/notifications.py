"""Telling every process that listens: what a statement adds to do so, and how it is read back.

Row-level security doesn't reach notifications, so they carry ids only, and content never.
"""

from __future__ import annotations

from string import Template
from typing import Final, Literal

from pydantic import TypeAdapter

from agentos.db.contracts.workers import Notice

_SOME: Final = 6000
"""Bytes of ids in one notification; Postgres takes 8000, and an id has at most some 1,500."""

# Each row of `source` has a `run_id`; they are split into as few notifications as hold them.
_TELL: Final = Template("""(
    SELECT count(pg_notify($channel, json_build_object('$kind', ids)::text))
    FROM (
        SELECT json_agg(run_id) AS ids
        FROM (
            SELECT run_id, sum(octet_length(to_json(run_id)::text)) OVER (ORDER BY run_id) / $some AS part
            FROM (SELECT DISTINCT run_id FROM $source) AS told
        ) AS parts
        GROUP BY part
    ) AS messages
)""")

QUEUE: Final = """pg_notify($channel, '{"queue":[]}')"""
"""The expression that tells that a run may start now that couldn't before."""

_TOLD: Final = TypeAdapter(dict[Literal["events", "cancel", "queue"], list[str]])


def tell(kind: Literal["events", "cancel"], source: str) -> str:
    """The expression that tells about the runs in `source`: a table, a join, whatever follows FROM."""
    return _TELL.safe_substitute(kind=kind, some=_SOME, source=source)


def notice(payload: str) -> Notice | None:
    """What was told; None if it wasn't one of us who told it."""
    try:
        ((kind, run_ids),) = _TOLD.validate_json(payload).items()
    except ValueError:
        return None
    return Notice(kind, tuple(run_ids))
