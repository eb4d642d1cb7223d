"""Parses a chat completion, complete or streamed, into a `ModelResponse`."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from pydantic import AliasChoices, Field
from pydantic_core import from_json

from agentos.models.base import ModelDelta, ModelResponse
from agentos.models.openai.codec import (
    DONE,
    Identifier,
    JsonText,
    Received,
    TokenDetails,
    given,
    metrics,
    tool_call,
)
from agentos.models.openai.failures import broken_off, failure, nonsense, reported, used_up
from agentos.run.messages import Metrics


class _Function(Received):
    name: str | None = None
    arguments: JsonText | None = None


class _ToolCall(Received):
    index: int | None = None
    id: Identifier | None = None
    function: _Function | None = None


class _Part(Received):
    """A part of a content that is a list: text, or thinking that may be a list again (Mistral)."""

    text: str | None = None
    thinking: str | list[_Part] | None = None


class _Words(Received):
    """The `delta` of a chunk or the `message` of a complete answer, which have the same shape."""

    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """The two fields with reasoning of DeepSeek, vLLM, OpenRouter and others. OpenAI sends none."""
    tool_calls: list[_ToolCall] | None = None

    def said(self) -> str | None:
        """The visible text; None if there is none, not even an empty one."""
        texts = [self.refusal]
        match self.content:
            case list() as parts:
                texts += [part.text for part in parts]
            case content:
                texts.append(content)
        known = [text for text in texts if text is not None]
        return "".join(known) if known else None

    def thought(self) -> str:
        """The reasoning."""
        parts = self.content if isinstance(self.content, list) else []
        return self.reasoning_content or self.reasoning or _thinking(parts)


def _thinking(parts: list[_Part]) -> str:
    thoughts = (part.thinking for part in parts)
    return "".join(
        _thinking(each) or "".join(part.text or "" for part in each) if isinstance(each, list) else each or ""
        for each in thoughts
    )


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


class _Error(Received):
    code: str | int | None = None


class _Completion(Received):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: _Error | str | None = None


@dataclass(slots=True)
class _Call:
    index: int
    id: str | None
    name: str
    arguments: str

    def is_continued_by(self, part: _ToolCall) -> bool:
        """Whether a part at the same place belongs to this call. A part without a name always does."""
        function = part.function or _Function()
        if not function.name or not self.name:
            return True
        if part.id and self.id:
            return part.id == self.id
        return function.name == self.name and not _is_complete(self.arguments)


def _is_complete(arguments: str) -> bool:
    try:
        return isinstance(from_json(arguments), dict)
    except ValueError:
        return False


class ChatAnswer:
    """Assembles the first choice of a completion."""

    def __init__(self, model_id: str) -> None:
        self._model_id = model_id
        self._id: str | None = None
        self._text: list[str] | None = None
        self._reasoning: list[str] = []
        self._calls: list[_Call] = []
        self._usage = _Usage()
        self._finish_reason: str | None = None
        self._whole = self._done = False
        self._thought_in: str | None = None
        self._opened = 0
        """How many calls the last chunk began that began any."""

    def whole(self, content: bytes) -> None:
        """See `Answer.whole`."""
        self._whole = True
        self._take(_Completion.model_validate_json(content))

    def piece(self, event: object) -> ModelDelta | None:
        """See `Answer.piece`."""
        if event == DONE:
            self._done = True
            return None
        return self._take(_Completion.model_validate(event))

    def finish(self) -> ModelResponse:
        """See `Answer.finish`."""
        if not self._whole and not self._done and self._finish_reason is None:
            raise broken_off()
        if not self._calls and not self._text:
            match self._finish_reason:
                case "length":
                    raise used_up()
                case "content_filter":
                    raise failure("content_filter")
                case "stop":  # null is as good as an empty text
                    pass
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
            tool_calls=[
                tool_call(call.id or f"call_{uuid4().hex}", call.name, call.arguments) for call in self._calls
            ],
            metrics=self._usage.metrics(),
            provider_data=given(id=self._id or None, reasoning_field=self._thought_in) or None,
        )

    def _take(self, completion: _Completion) -> ModelDelta | None:
        if completion.error:
            code = completion.error.code if isinstance(completion.error, _Error) else None
            raise reported(code, self._model_id)
        self._id = self._id or completion.id
        self._usage = completion.usage or self._usage
        choice = next((choice for choice in completion.choices or () if choice.index == 0), None)
        if choice is None:
            return None
        self._finish_reason = choice.finish_reason or self._finish_reason
        return self._say(choice.words) if choice.words else None

    def _say(self, words: _Words) -> ModelDelta | None:
        if words.tool_calls:
            known = len(self._calls)
            for position, part in enumerate(words.tool_calls):
                self._call(part, position)
            self._opened = len(self._calls) - known or self._opened
        said, thought = words.said(), words.thought()
        if said is not None:
            self._text = self._text or []
            self._text.append(said)
        if thought:
            self._reasoning.append(thought)
            if words.reasoning_content:
                self._thought_in = "reasoning_content"
        return ModelDelta(said or "", thought) if said or thought else None

    def _call(self, part: _ToolCall, position: int) -> None:
        """Adds a part of a call. Servers number calls by `index`, by `id`, by both, or not at all."""
        call = self._open_call(part, position)
        if call is None:
            call = _Call(len(self._calls) if part.index is None else part.index, None, "", "")
            self._calls.append(call)
        function = part.function or _Function()
        call.id = call.id or part.id or None
        call.name = call.name or function.name or ""
        call.arguments += function.arguments or ""

    def _open_call(self, part: _ToolCall, position: int) -> _Call | None:
        """The call that the part continues; None if it begins one.

        Arguments must never reach another call than theirs: what could be two calls' is an error.
        """
        is_named = part.function is not None and bool(part.function.name)
        for call in self._calls:
            if part.id and call.id == part.id and part.index in {None, call.index} and not self._whole:
                return call
        if part.index is not None:
            found = next((call for call in reversed(self._calls) if call.index == part.index), None)
        elif self._whole or (position > 0 and is_named):
            return None
        elif not is_named and ((part.id and len(self._calls) > 1) or self._opened > 1):
            raise nonsense("it sent arguments that could belong to several calls")
        else:
            found = self._calls[-1] if self._calls else None
        return found if found is not None and found.is_continued_by(part) else None
