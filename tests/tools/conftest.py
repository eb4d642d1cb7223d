from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

import pytest

from agentos.run.records import RunOutput
from agentos.run.runnable import RunContext

T = TypeVar("T")


def inline(name: str, source: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
    return source()


@pytest.fixture
def context() -> RunContext:
    run = RunOutput(run_id="run-1", kind="agent", runnable_id="a", session_id="s", user_id="ada")
    return RunContext(run=run, owner="ada", steps=inline)
