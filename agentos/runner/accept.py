"""Accept a run: check it, find or make its session, commit its row. Every refusal happens here."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from agentos.db.base import RunRequest
from agentos.run.owner import Owner
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.run.runnable import OutputSchema, RunContext
from agentos.runner.settings import Configured
from agentos.runner.steps import inline


@dataclass(frozen=True, slots=True)
class RunArguments:
    """What one caller asks of a runnable. Ids left out are made up; None means "as the runnable says"."""

    input: RunInput
    run_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    """Whose run it becomes when the session is new."""
    stream: bool = True
    session_state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    dependencies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_schema: OutputSchema | None = None
    history: bool | None = None
    """False: no history in this run, whatever the runnable says."""


async def accept(runnable: Configured, arguments: RunArguments, *, owner: Owner) -> RunContext:
    """Commits the run and returns what it has to work with.

    Raises NotFoundError if the session is another user's or another runnable's, ConflictError if the run
    id is taken, InvalidInputError if an id can't be stored, DatabaseUnavailableError.
    """
    settings = runnable.settings
    run = _new_run(runnable, arguments)
    context = RunContext(
        run=run,
        owner=owner,
        steps=inline,
        stream=arguments.stream,
        session_state={**deepcopy(dict(settings.session_state)), **arguments.session_state},
        dependencies={**settings.dependencies, **arguments.dependencies},
        metadata={**settings.metadata, **arguments.metadata},
        output_schema=arguments.output_schema or settings.output_schema,
    )
    run.metadata = context.metadata or None
    if settings.db is None:
        return context
    accepted = await settings.db.accept_run(
        RunRequest(
            run=run,
            session_state=dict(arguments.session_state),
            session_defaults=dict(settings.session_state),
            history_runs=0 if arguments.history is False else settings.history_runs,
            memories=settings.memories,
        ),
        owner=owner,
    )
    run.user_id = accepted.user_id
    context.session_state = accepted.session_state
    context.history = accepted.history
    context.memories = accepted.memories
    return context


def _new_run(runnable: Configured, arguments: RunArguments) -> RunOutput:
    return RunOutput(
        run_id=arguments.run_id or str(uuid4()),
        kind=runnable.kind,
        runnable_id=runnable.id,
        runnable_name=runnable.name,
        session_id=arguments.session_id or str(uuid4()),
        user_id=arguments.user_id,
        status=RunStatus.RUNNING,
        input=arguments.input,
    )
