"""`Db`: the type of the storage, cheap to import.

Agents and the runner use it in annotations only; importing `PostgresDb` itself imports SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agentos.db.postgres import PostgresDb

Db: TypeAlias = "PostgresDb"
