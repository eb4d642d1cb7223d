"""The leader's tools are described to its model as they were reviewed."""

from __future__ import annotations

from tests.team.tool_schemas import KEPT, schemas


def test_every_tool_has_the_schema_that_was_reviewed() -> None:
    assert schemas() == KEPT.read_text()
