"""Every statement as it is sent, for reviewers: `python -m tests.db.sql.snapshots` writes them anew."""

from __future__ import annotations

from pathlib import Path

from agentos.db.schema.table_names import TableNames
from agentos.db.schema.tables import Tables
from agentos.db.sql.statements import assembled, subjects

FOLDER = Path(__file__).with_name("snapshots")


def texts() -> dict[str, str]:
    """By the names of the files, one a subject."""
    tables = Tables(TableNames())
    return {
        f"{subject}.sql": "\n\n".join(f"-- {name}\n{assembled(tables, name)}" for name in names) + "\n"
        for subject, names in subjects().items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.sql"):
        file.unlink()
    for name, sql in texts().items():
        (FOLDER / name).write_text(sql)
