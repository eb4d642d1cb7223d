"""The base of everything that a run is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A pydantic model that is made ready at its first use: an import of all of them would be slow."""

    model_config = ConfigDict(defer_build=True)
