"""Sessions whose ids are unique for one owner, states that are stored once, media apart, times of runs."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import JSONB

from agentos.db.schema.row_security import protect
from agentos.db.schema.table_names import TableNames

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    names: TableNames = context.config.attributes["names"]
    # NULL everywhere means what it was before: rows of the release before stay as they are.
    keys = {"given_session_id": sa.Text(), "state_version": sa.BigInteger()}
    sessions: dict[str, Any] = {**keys, "joined": JSONB()}
    times = {name: sa.DateTime(timezone=True) for name in ("queued_at", "started_at", "ended_at")}
    runs: dict[str, Any] = {
        **keys,
        **times,
        "model": sa.Text(),
        "time_to_first_token": sa.Double(),
        **{f"{name}_tokens": sa.BigInteger() for name in ("input", "output", "total")},
        "cost": sa.Double(),
        "steps": sa.JSON(),
    }
    for table, columns in ((names.sessions, sessions), (names.runs, runs)):
        for name, type_ in columns.items():
            op.add_column(table, sa.Column(name, type_), schema=names.schema, if_not_exists=True)
    op.drop_constraint(
        f"{names.approvals}_pause_type_check", names.approvals, schema=names.schema, if_exists=True
    )
    add_state_changes(names)
    add_media(names)


def add_state_changes(names: TableNames) -> None:
    op.create_table(
        names.state_changes,
        session_key(names),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", JSONB),
        schema=names.schema,
        if_not_exists=True,
    )
    protect(op.get_bind(), names.schema, names.state_changes)


def add_media(names: TableNames) -> None:
    op.create_table(
        names.media,
        session_key(names),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text),
        sa.Column("mime_type", sa.Text),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        schema=names.schema,
        if_not_exists=True,
    )
    protect(op.get_bind(), names.schema, names.media)


def session_key(names: TableNames) -> sa.Column[str]:
    sessions = f"{names.schema}.{names.sessions}.session_id"
    return sa.Column("session_id", sa.Text, sa.ForeignKey(sessions, ondelete="CASCADE"), primary_key=True)
