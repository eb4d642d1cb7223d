from __future__ import annotations

import pytest

from agentos.run.records import RunInput, RunOutput
from agentos.run.request import RunRequest
from agentos.run.runnable import RunContext
from agentos.runner.execution.steps import inline


@pytest.fixture
def context() -> RunContext:
    run = RunOutput(run_id="run-1", kind="agent", runnable_id="a", session_id="s", user_id="ada")
    request = RunRequest(input=RunInput(input_content="hi"), user_id="ada")
    return RunContext(run=run, request=request, steps=inline)
