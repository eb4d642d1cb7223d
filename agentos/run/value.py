"""The base class of a run's values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A pydantic model, built on first use: building all of them would slow the import."""

    model_config = ConfigDict(defer_build=True)
