"""`run`, `arun` and `print_response`, for every kind of runnable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, overload

from agentos.event_loop import iterate_sync, run_sync
from agentos.run.events import RunEvent
from agentos.run.records import RunOutput
from agentos.run.request import RunRequest
from agentos.runner.accept import accept
from agentos.runner.execution.live_runs import events, launch
from agentos.runner.local.options import Input, RunOptions, request_of, text_of
from agentos.runner.local.resume_methods import ContinueMethods, shown
from agentos.runner.settings import Configured

if TYPE_CHECKING:
    from rich.console import Console


class RunMethods(ContinueMethods):
    """A mixin for runnables: methods that run them in this process, without a server.

    A failed run is returned with status ERROR. A run that isn't accepted raises the errors of `accept`.
    """

    show_members_responses: bool = False
    """Whether `print_response` shows what nested runs say."""

    async def aclose(self) -> None:
        """Closes nothing by default."""

    @overload
    def arun(
        self, input: Input, *, stream: Literal[False] = False, **options: Unpack[RunOptions]
    ) -> Coroutine[Any, Any, RunOutput]: ...

    @overload
    def arun(
        self,
        input: Input,
        *,
        stream: Literal[True],
        stream_events: bool | None = None,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[RunEvent]: ...

    def arun(
        self,
        input: Input,  # noqa: A002 - the peer's name
        *,
        stream: bool = False,
        stream_events: bool | None = None,
        **options: Unpack[RunOptions],
    ) -> Coroutine[Any, Any, RunOutput] | AsyncGenerator[RunEvent]:
        """Runs to the end, or with `stream=True` yields pieces of the answer as they arrive.

        `stream_events=True` yields every event, not only `RunContent`, `RunPaused` and `RunError`. Leaving
        the stream early cancels the run.
        """
        runnable = cast("Configured", self)
        if not stream:
            return _whole(runnable, request_of(input, options, stream=False))
        everything = self.stream_events if stream_events is None else stream_events
        return _pieces(runnable, request_of(input, options, stream=True), everything=everything)

    @overload
    def run(
        self, input: Input, *, stream: Literal[False] = False, **options: Unpack[RunOptions]
    ) -> RunOutput: ...

    @overload
    def run(
        self,
        input: Input,
        *,
        stream: Literal[True],
        stream_events: bool | None = None,
        **options: Unpack[RunOptions],
    ) -> Iterator[RunEvent]: ...

    def run(
        self,
        input: Input,  # noqa: A002 - the peer's name
        *,
        stream: bool = False,
        stream_events: bool | None = None,
        **options: Unpack[RunOptions],
    ) -> RunOutput | Iterator[RunEvent]:
        """`arun` for callers without an event loop; inside one it raises RuntimeError."""
        if not stream:
            return run_sync(self.arun(input, **options))
        return iterate_sync(self.arun(input, stream=True, stream_events=stream_events, **options))

    async def aprint_response(
        self,
        input: Input,  # noqa: A002 - the peer's name
        *,
        stream: bool = True,
        markdown: bool = True,
        show_message: bool = True,
        console: Console | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        """Runs and prints the answer in the terminal, as it arrives unless `stream=False`.

        Each nested run, such as a team's member, has a line that says how far it is.
        """
        from agentos.runner.local.terminal import show

        source = _pieces(cast("Configured", self), request_of(input, options, stream=stream), everything=True)
        message = text_of(input) if show_message else None
        await show(
            source,
            message=message,
            markdown=markdown,
            members=self.show_members_responses,
            console=console,
        )

    def print_response(
        self,
        input: Input,  # noqa: A002 - the peer's name
        *,
        stream: bool = True,
        markdown: bool = True,
        show_message: bool = True,
        console: Console | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        """`aprint_response` for callers without an event loop."""
        run_sync(
            self.aprint_response(
                input,
                stream=stream,
                markdown=markdown,
                show_message=show_message,
                console=console,
                **options,
            )
        )


async def _whole(runnable: Configured, request: RunRequest) -> RunOutput:
    execution = await accept(runnable, request)
    async for _ in events(launch(runnable, execution)):
        pass
    return execution.run


async def _pieces(runnable: Configured, request: RunRequest, *, everything: bool) -> AsyncGenerator[RunEvent]:
    live = launch(runnable, await accept(runnable, request))
    async with aclosing(shown(runnable, live, everything=everything)) as source:
        async for event in source:
            yield event
