"""`continue_run` and `acontinue_run`, for every kind of runnable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, Literal, Unpack, cast, overload

from agentos.event_loop import iterate_sync, run_sync
from agentos.run.events import RunContent, RunError, RunEvent, RunPaused
from agentos.run.records import RunOutput
from agentos.runner.execution.live_runs import LiveRun, events
from agentos.runner.local.options import ContinueOptions, check, refuse_id
from agentos.runner.local.resume import continuing
from agentos.runner.settings import Configured


class ContinueMethods:
    """A mixin for runnables: methods that continue a paused run in this process, without a server."""

    stream_events: bool = False
    """Whether `stream=True` yields every event unless the call says otherwise."""

    @overload
    def acontinue_run(
        self,
        run_response: RunOutput | None = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ContinueOptions],
    ) -> Coroutine[Any, Any, RunOutput]: ...

    @overload
    def acontinue_run(
        self,
        run_response: RunOutput | None = None,
        *,
        stream: Literal[True],
        stream_events: bool | None = None,
        **options: Unpack[ContinueOptions],
    ) -> AsyncGenerator[RunEvent]: ...

    def acontinue_run(
        self,
        run_response: RunOutput | None = None,
        *,
        stream: bool = False,
        stream_events: bool | None = None,
        **options: Unpack[ContinueOptions],
    ) -> Coroutine[Any, Any, RunOutput] | AsyncGenerator[RunEvent]:
        """Continues a paused run: the given one with its requirements, or a stored one.

        With a database, the calls' arguments come from there. Undecided calls pause the run again. Raises
        NotFoundError, ConflictError if the run isn't paused, InvalidInputError if nothing is decided,
        ApprovalPendingError. Streams as `arun` does.
        """
        check(options, ContinueOptions, "continue_run")
        refuse_id(run_response)
        runnable = cast("Configured", self)
        if not stream:
            return _whole_rest(runnable, run_response, options)
        everything = self.stream_events if stream_events is None else stream_events
        return _rest(runnable, run_response, options, everything=everything)

    @overload
    def continue_run(
        self,
        run_response: RunOutput | None = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ContinueOptions],
    ) -> RunOutput: ...

    @overload
    def continue_run(
        self,
        run_response: RunOutput | None = None,
        *,
        stream: Literal[True],
        stream_events: bool | None = None,
        **options: Unpack[ContinueOptions],
    ) -> Iterator[RunEvent]: ...

    def continue_run(
        self,
        run_response: RunOutput | None = None,
        *,
        stream: bool = False,
        stream_events: bool | None = None,
        **options: Unpack[ContinueOptions],
    ) -> RunOutput | Iterator[RunEvent]:
        """`acontinue_run` for callers without an event loop."""
        if not stream:
            return run_sync(self.acontinue_run(run_response, **options))
        return iterate_sync(
            self.acontinue_run(run_response, stream=True, stream_events=stream_events, **options)
        )


async def _whole_rest(
    runnable: Configured, run_response: RunOutput | None, options: ContinueOptions
) -> RunOutput:
    async with continuing(runnable, run_response, options, stream=False) as live:
        async for _ in events(live):
            pass
    return live.run


async def _rest(
    runnable: Configured, run_response: RunOutput | None, options: ContinueOptions, *, everything: bool
) -> AsyncGenerator[RunEvent]:
    async with (
        continuing(runnable, run_response, options, stream=True) as live,
        aclosing(shown(runnable, live, everything=everything)) as source,
    ):
        async for event in source:
            yield event


async def shown(runnable: Configured, live: LiveRun, *, everything: bool) -> AsyncGenerator[RunEvent]:
    """The events for a caller who streams a run.

    Events of nested runs only if all events are requested, and the runnable shows them.
    """
    with_members = everything and runnable.settings.member_events
    async with aclosing(events(live)) as source:
        async for event in source:
            is_selected = everything or isinstance(event, RunContent | RunPaused | RunError)
            if with_members or (is_selected and event.origin == live.buffer.origin):
                yield event
