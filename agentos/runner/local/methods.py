"""`run`, `arun` and `print_response`, the same for every kind of runnable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, cast, overload

from pydantic import BaseModel
from pydantic_core import to_json

from agentos.event_loop import iterate_sync, run_sync
from agentos.run.events import RunEvent
from agentos.run.media import File, Image
from agentos.run.owner import ANYONE
from agentos.run.records import RunInput, RunOutput
from agentos.run.runnable import OutputSchema
from agentos.runner.accept import RunArguments, accept
from agentos.runner.execution.live_runs import events, launch
from agentos.runner.local.resume_methods import ContinueMethods, shown
from agentos.runner.settings import Configured

if TYPE_CHECKING:
    from rich.console import Console

Input = str | BaseModel | Mapping[str, Any] | Sequence[Any]
"""Text, or data that is shown to the model as JSON."""


class RunOptions(TypedDict, total=False):
    """What one run may set apart from its input. In process, a `user_id` is also whose rows it may touch."""

    user_id: str | None
    session_id: str | None
    run_id: str | None
    session_state: Mapping[str, Any]
    dependencies: Mapping[str, Any]
    metadata: Mapping[str, Any]
    output_schema: OutputSchema | None
    images: Sequence[Image]
    files: Sequence[File]
    add_history_to_context: bool | None


class RunMethods(ContinueMethods):
    """Mixed into runnables: ways to run them in this process, without a server.

    A run that fails comes back with status ERROR; a run that isn't accepted raises what `accept` raises.
    """

    async def aclose(self) -> None:
        """Nothing to give back, unless the runnable says otherwise."""

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
        """Runs to the end, or with `stream=True` yields pieces of the answer as they come.

        `stream_events=True` yields every event, not only `RunContent`, `RunPaused` and a `RunError`.
        Leaving the stream early cancels the run.
        """
        runnable = cast("Configured", self)
        if not stream:
            return _whole(runnable, _arguments(input, options, stream=False))
        everything = self.stream_events if stream_events is None else stream_events
        return _pieces(runnable, _arguments(input, options, stream=True), everything=everything)

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
        """Runs and shows the answer in the terminal, growing as it comes unless `stream=False`."""
        from agentos.runner.local.terminal import show

        source = _pieces(cast("Configured", self), _arguments(input, options, stream=stream), everything=True)
        message = _text(input) if show_message else None
        await show(source, message=message, markdown=markdown, console=console)

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


async def _whole(runnable: Configured, arguments: RunArguments) -> RunOutput:
    job = await accept(runnable, arguments, owner=arguments.user_id or ANYONE)
    async for _ in events(launch(runnable, job)):
        pass
    return job.run


async def _pieces(
    runnable: Configured, arguments: RunArguments, *, everything: bool
) -> AsyncGenerator[RunEvent]:
    job = await accept(runnable, arguments, owner=arguments.user_id or ANYONE)
    async with aclosing(shown(launch(runnable, job), everything=everything)) as source:
        async for event in source:
            yield event


def _arguments(value: Input, options: RunOptions, *, stream: bool) -> RunArguments:
    return RunArguments(
        input=RunInput(
            input_content=_text(value),
            images=list(options.get("images", ())) or None,
            files=list(options.get("files", ())) or None,
        ),
        run_id=options.get("run_id"),
        session_id=options.get("session_id"),
        user_id=options.get("user_id"),
        stream=stream,
        session_state=options.get("session_state", {}),
        dependencies=options.get("dependencies", {}),
        metadata=options.get("metadata", {}),
        output_schema=options.get("output_schema"),
        history=options.get("add_history_to_context"),
    )


def _text(value: Input) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
