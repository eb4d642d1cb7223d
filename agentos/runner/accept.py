"""Accept a run: check it, find or make its session, commit its row. Every refusal happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from agentos.db.base import Accepted, RunRequest
from agentos.db.contracts.runs import Multitask
from agentos.run.messages import Message
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import Json, RunInput, RunOutput, RunStatus
from agentos.run.runnable import OutputSchema, RunContext
from agentos.runner.execution.execution import Job
from agentos.runner.execution.steps import inline
from agentos.runner.settings import Configured, RunSettings


@dataclass(frozen=True, slots=True)
class Origins:
    """The run that a new one comes from: what it begins with, and what becomes of the old one."""

    run: RunOutput
    messages: Sequence[Message]
    """The beginning of the old run's conversation, and perhaps more."""
    regenerates: bool = False
    """Whether the new one answers the old one's question anew."""
    replaces: bool = False
    """Whether the old one becomes REGENERATED then."""


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
    background: bool = False
    """Whether any process may execute it, when there is room."""
    multitask: Multitask | None = None
    """What to do while another run of the session is live; for a process that nobody watches, nothing."""
    idempotency_key: str | None = None
    fingerprint: str | None = None
    """Of the whole request, to go with the key."""
    origins: Origins | None = None
    asked_by: str | None = None
    """Who asks, be it for another user: they can't approve of the run's calls."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who accepts runs: the process, and how its background runs are kept."""

    executor_id: str | None = None
    """None: a process that nobody watches."""
    queue_limit: int | None = None
    user_queue_limit: int | None = None
    durable: bool = False
    """Whether background runs are durable though their runnable doesn't say so."""


async def accept(
    runnable: Configured, arguments: RunArguments, *, owner: Owner, place: Place | None = None
) -> Job:
    """Commits the run and returns what it has to work with; a job that isn't RUNNING must wait for its turn.

    Raises NotFoundError if the session is another user's or another runnable's, ConflictError if the run
    id is taken, SessionBusyError, QueueFullError, IdempotencyConflictError, InvalidInputError if an id can't
    be stored, DatabaseUnavailableError.
    """
    settings, place = runnable.settings, place or Place()
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
    job = Job(context, executor_id=None if arguments.background else place.executor_id)
    if settings.db is None:
        return job
    job.durable = settings.durable or (arguments.background and place.durable)
    job.replaces = _replaced(arguments)
    accepted = await settings.db.accept_run(_request(job, settings, arguments, place), owner=owner)
    return _filled(job, accepted)


def opened_context(settings: RunSettings, run: RunOutput, arguments: Json) -> RunContext:
    """The context of a stored run, from the `arguments` that were stored with it."""
    return RunContext(
        run=run,
        owner=ANYONE if arguments.get("anyone") or run.user_id is None else run.user_id,
        steps=inline,
        stream=arguments.get("stream", True),
        dependencies={**settings.dependencies, **arguments.get("dependencies", {})},
        metadata=run.metadata or {},
        output_schema=arguments.get("output_schema") or settings.output_schema,
    )


def stored_arguments(
    *,
    owner: Owner,
    stream: bool,
    dependencies: Mapping[str, Any],
    output_schema: OutputSchema | None = None,
    history: bool | None = None,
    replaces: str | None = None,
    begun_by: str | None = None,
    continued_by: str | None = None,
) -> Json:
    """What `opened_context` and approvals need to know; what goes without saying is left out."""
    arguments: Json = {
        "anyone": owner is ANYONE,
        "stream": stream,
        "dependencies": dict(dependencies),
        "output_schema": None if isinstance(output_schema, type) else output_schema,
        "history": history,
        "replaces": replaces,
        "begun_by": begun_by,
        "continued_by": continued_by,
    }
    return {name: value for name, value in arguments.items() if value is not None and value != {}}


def _request(job: Job, settings: RunSettings, arguments: RunArguments, place: Place) -> RunRequest:
    origins = arguments.origins
    return RunRequest(
        run=job.run,
        session_state=dict(arguments.session_state),
        session_defaults=dict(settings.session_state),
        history_runs=0 if arguments.history is False else settings.history_runs,
        memories=settings.memories,
        executor_id=job.executor_id,
        arguments=stored_arguments(
            owner=job.context.owner,
            stream=arguments.stream,
            dependencies=arguments.dependencies,
            output_schema=arguments.output_schema,
            history=arguments.history,
            replaces=job.replaces,
            begun_by=arguments.asked_by,
        ),
        durable=job.durable,
        background=arguments.background,
        multitask=(arguments.multitask or settings.multitask) if place.executor_id else None,
        queue_limit=place.queue_limit if arguments.background else None,
        user_queue_limit=place.user_queue_limit,
        idempotency_key=arguments.idempotency_key,
        fingerprint=arguments.fingerprint,
        history_before=origins.run.run_id if origins else None,
    )


def _filled(job: Job, accepted: Accepted) -> Job:
    run, context = job.run, job.context
    run.run_id, run.status, run.user_id = accepted.run_id, accepted.status, accepted.user_id
    job.is_new = accepted.is_new
    context.session_state = accepted.session_state
    context.history = accepted.history
    context.memories = accepted.memories
    return job


def _replaced(arguments: RunArguments) -> str | None:
    origins = arguments.origins
    return origins.run.run_id if origins and origins.replaces else None


def _new_run(runnable: Configured, arguments: RunArguments) -> RunOutput:
    origins = arguments.origins
    return RunOutput(
        run_id=arguments.run_id or str(uuid4()),
        kind=runnable.kind,
        runnable_id=runnable.id,
        runnable_name=runnable.name,
        session_id=arguments.session_id or str(uuid4()),
        user_id=arguments.user_id,
        status=RunStatus.PENDING if arguments.background else RunStatus.RUNNING,
        input=arguments.input,
        messages=list(origins.messages) if origins else [],
        forked_from_run_id=origins.run.run_id if origins and not origins.regenerates else None,
        regenerated_from=origins.run.run_id if origins and origins.regenerates else None,
    )
