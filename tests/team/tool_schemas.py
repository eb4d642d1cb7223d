"""What leaders know of their tools, for reviewers: `python -m tests.team.tool_schemas` writes it anew."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from agentos.agent import Agent
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.team import Team, TeamMode

KEPT = Path(__file__).with_suffix(".json")


def schemas() -> str:
    """The tools of each mode."""
    found: dict[str, list[dict[str, object]]] = {}
    for mode in TeamMode:

        def respond(request: ModelRequest, mode: TeamMode = mode) -> ModelResponse:
            found[mode] = [asdict(tool) for tool in request.tools]
            return ModelResponse(content="done")

        members = [Agent(name="alpha", model=FunctionModel(respond))]
        Team(name="t", mode=mode, members=members, model=FunctionModel(respond)).run("go")
    return json.dumps(found, indent=2) + "\n"


if __name__ == "__main__":
    KEPT.write_text(schemas())
