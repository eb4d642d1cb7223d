"""A model that is a plain function: for tests, and for answers without a language model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from inspect import isawaitable
from time import perf_counter

from agentos.models.base import ModelDelta, ModelRequest, ModelResponse

Piece = str | ModelDelta | ModelResponse
AnswerFunction = ModelResponse | str | Iterable[Piece] | AsyncIterable[Piece]


class FunctionModel:
    """Answers with the result of `function(request)`, which may be awaitable.

    A string or a ModelResponse is the complete answer. From an iterable or an (async) generator, strings and
    deltas are streamed; a ModelResponse ends the stream, otherwise the pieces are joined. Exceptions of the
    function are passed to the run. It runs in the event loop, so it must not block.
    """

    def __init__(
        self,
        function: Callable[[ModelRequest], AnswerFunction | Awaitable[AnswerFunction]],
        id: str = "function",  # noqa: A002 - the protocol's word
        *,
        name: str = "FunctionModel",
        provider: str = "agentos",
    ) -> None:
        self.id = id
        self.name = name
        self.provider = provider
        self._function = function

    def __repr__(self) -> str:
        function = getattr(self._function, "__qualname__", type(self._function).__name__)
        return f"FunctionModel({function}, id={self.id!r})"

    async def respond(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """See `Model.respond`."""
        started = perf_counter()
        first: float | None = None
        said: list[ModelDelta] = []
        response: ModelResponse | None = None
        answer = self._function(request)
        async with aclosing(_pieces(await answer if isawaitable(answer) else answer)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelResponse):
                    response = piece
                    piece = ModelDelta() if said else _delta(piece)
                if piece.content or piece.reasoning_content:
                    said.append(piece)
                    if request.stream:
                        first = perf_counter() - started if first is None else first
                        yield piece
                if response:
                    break
        response = response or _joined(said)
        timing = {"time_to_first_token": first, "duration": perf_counter() - started}
        yield replace(response, metrics=response.metrics.model_copy(update=timing))

    async def aclose(self) -> None:
        """Nothing to close."""


async def _pieces(answer: AnswerFunction) -> AsyncGenerator[ModelDelta | ModelResponse]:
    if isinstance(answer, str | ModelResponse):
        yield _piece(answer)
    elif isinstance(answer, AsyncIterable):
        try:
            async for piece in answer:
                yield _piece(piece)
        finally:
            if isinstance(answer, AsyncGenerator):
                await answer.aclose()
    else:
        for piece in answer:
            yield _piece(piece)


def _piece(piece: Piece) -> ModelDelta | ModelResponse:
    return ModelDelta(piece) if isinstance(piece, str) else piece


def _delta(response: ModelResponse) -> ModelDelta:
    return ModelDelta(response.content or "", response.reasoning_content or "")


def _joined(pieces: list[ModelDelta]) -> ModelResponse:
    return ModelResponse(
        content="".join(piece.content for piece in pieces),
        reasoning_content="".join(piece.reasoning_content for piece in pieces) or None,
    )
