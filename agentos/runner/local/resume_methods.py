"""`continue_run` and `acontinue_run`, the same for every kind of runnable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, Literal, Unpack, cast, overload

from agentos.event_loop import iterate_sync, run_sync
from agentos.run.events import RunContent, RunError, RunEvent, RunPaused
from agentos.run.records import RunOutput
from agentos.runner.execution.live_runs import LiveRun, events
from agentos.runner.local.options import ContinueOptions
from agentos.runner.local.resume import continuing
from agentos.runner.settings import Configured


class ContinueMethods:
    """Ways to go on with a paused run in this process, without a server."""

    stream_events: bool = False
    """Whether `stream=True` yields every event when the call doesn't say."""

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
        """Goes on with a paused run: the one given, with what its requirements say now, or a stored one.

        The calls' arguments come from the database, if there is one. What nobody has decided pauses the run
        again. Raises NotFoundError, ConflictError if the run isn't paused, InvalidInputError if nothing
        is decided, ApprovalPendingError. Streams as `arun` does.
        """
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
        aclosing(shown(live, everything=everything)) as source,
    ):
        async for event in source:
            yield event


async def shown(live: LiveRun, *, everything: bool) -> AsyncGenerator[RunEvent]:
    """What a caller gets who streams a run; of nested runs only if they want everything."""
    async with aclosing(events(live)) as source:
        async for event in source:
            is_answer = (
                isinstance(event, RunContent | RunPaused | RunError) and event.origin == live.buffer.origin
            )
            if everything or is_answer:
                yield event
