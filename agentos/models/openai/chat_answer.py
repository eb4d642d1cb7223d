"""Parses a chat completion, complete or streamed, into a `ModelResponse`."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from pydantic import AliasChoices, Field

from agentos.models.base import ModelDelta, ModelResponse
from agentos.models.openai.codec import Received, TokenDetails, metrics, tool_call
from agentos.models.openai.failures import broken_off, failure, nonsense, used_up
from agentos.run.messages import Metrics

_REASONING = AliasChoices("reasoning_content", "reasoning")
"""Fields with reasoning text from DeepSeek, vLLM, OpenRouter and others. OpenAI sends none."""


class _Function(Received):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Received):
    index: int | None = None
    id: str | None = None
    function: _Function = Field(default_factory=_Function)


class _Words(Received):
    """The `delta` of a chunk or the `message` of a complete answer, which have the same shape."""

    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = Field(default=None, validation_alias=_REASONING)
    tool_calls: list[_ToolCall] | None = None


class _Choice(Received):
    index: int = 0
    words: _Words | None = Field(default=None, validation_alias=AliasChoices("delta", "message"))
    finish_reason: str | None = None


class _Usage(Received):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None

    def metrics(self) -> Metrics:
        return metrics(
            self.prompt_tokens,
            self.completion_tokens,
            self.total_tokens,
            self.prompt_tokens_details,
            self.completion_tokens_details,
        )


class _Completion(Received):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    name: str
    arguments: str


class ChatAnswer:
    """Assembles the first choice of a completion."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._text: list[str] | None = None
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._usage = _Usage()
        self._finish_reason: str | None = None
        self._whole = False

    def whole(self, content: bytes) -> None:
        """See `Answer.whole`."""
        self._whole = True
        self._take(_Completion.model_validate_json(content))

    def piece(self, event: object) -> ModelDelta | None:
        """See `Answer.piece`."""
        return self._take(_Completion.model_validate(event))

    def finish(self) -> ModelResponse:
        """See `Answer.finish`."""
        if not self._whole and self._finish_reason is None:
            raise broken_off()
        if not self._calls and not self._text:
            match self._finish_reason:
                case "length":
                    raise used_up()
                case "content_filter":
                    raise failure("content_filter")
                case _ if self._text is None:
                    raise nonsense("its answer holds neither text nor tool calls")
                case _:
                    pass
        if not all(call.name for call in self._calls):
            raise nonsense("it called a tool without a name")
        text = "".join(self._text or ())
        return ModelResponse(
            content=text or (None if self._calls else ""),
            reasoning_content="".join(self._reasoning) or None,
            tool_calls=[tool_call(call.id, call.name, call.arguments) for call in self._calls],
            metrics=self._usage.metrics(),
            provider_data={"id": self._id} if self._id else None,
        )

    def _take(self, completion: _Completion) -> ModelDelta | None:
        self._id = self._id or completion.id
        self._usage = completion.usage or self._usage
        choice = next((choice for choice in completion.choices or () if choice.index == 0), None)
        if choice is None:
            return None
        self._finish_reason = choice.finish_reason or self._finish_reason
        return self._say(choice.words) if choice.words else None

    def _say(self, words: _Words) -> ModelDelta | None:
        for position, call in enumerate(words.tool_calls or ()):
            self._call(call, position if call.index is None else call.index)
        said = [text for text in (words.content, words.refusal) if text is not None]
        if said:
            self._text = self._text or []
            self._text.extend(said)
        if words.reasoning:
            self._reasoning.append(words.reasoning)
        delta = ModelDelta("".join(said), words.reasoning or "")
        return delta if delta.content or delta.reasoning_content else None

    def _call(self, part: _ToolCall, index: int) -> None:
        call = next((call for call in reversed(self._calls) if call.index == index), None)
        # Some servers give every call the index 0: a new id begins a new call.
        if call is None or (part.id and part.id != call.id):
            call = _Call(index, part.id or f"call_{uuid4().hex}", "", "")
            self._calls.append(call)
        call.name = call.name or part.function.name or ""
        call.arguments += part.function.arguments or ""
