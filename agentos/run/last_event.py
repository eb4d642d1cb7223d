"""The last event of a run's current segment, derived from the run's record.

Executing a run and reading it back both use this, so a follower gets the same event whether or not it was
logged.
"""

from __future__ import annotations

from agentos.run.events import Origin, RunCancelled, RunCompleted, RunError, RunEvent, RunPaused
from agentos.run.records import RunOutput, RunStatus


def origin_of(run: RunOutput) -> Origin:
    """The origin for the run's own events."""
    return Origin(
        kind=run.kind,
        id=run.runnable_id,
        name=run.runnable_name,
        run_id=run.run_id,
        session_id=run.session_id,
        parent_run_id=run.parent_run_id,
        nested_depth=run.depth or 0,
    )


def last_event(run: RunOutput) -> RunEvent | None:
    """The event that says how the run ended or what it waits for; None while it is pending or executing.

    It isn't stamped.
    """
    match run.status:
        case RunStatus.PENDING | RunStatus.RUNNING:
            return None
        case RunStatus.PAUSED:
            nested = run.child_requirements
            own = [tool for tool in run.tools if tool.is_waiting or tool.child_run_id in nested]
            return RunPaused(content=run.content, tools=own, requirements=run.active_requirements)
        case RunStatus.COMPLETED | RunStatus.REGENERATED:
            return RunCompleted(
                content=run.content,
                content_type=run.content_type,
                reasoning_content=run.reasoning_content,
                model_provider_data=run.model_provider_data,
                session_state=run.session_state,
                metrics=run.metrics,
            )
        case RunStatus.CANCELLED:
            return RunCancelled(content=run.content)
        case RunStatus.ERROR:
            code = run.error_type or "internal_error"
            return RunError(content=str(run.content), error_type=code, error_id=run.error_id)


def restored(run: RunOutput, seq: int) -> RunEvent | None:
    """`last_event`, stamped with `seq`, for a run whose log lacks it.

    Its time is when the run ended, if it never had to wait.
    """
    event = last_event(run)
    if event is not None:
        event.origin, event.seq = origin_of(run), seq
        event.created_at = run.created_at + int((run.metrics and run.metrics.duration) or 0)
    return event
