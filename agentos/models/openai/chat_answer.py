"""Parses a chat completion, complete or streamed, into a `ModelResponse`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from pydantic import JsonValue
from pydantic_core import from_json

from agentos.errors import ModelError
from agentos.models.base import ModelDelta, ModelResponse
from agentos.models.openai.codec import (
    DONE,
    Count,
    Identifier,
    IfReadable,
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
    extra_content: dict[str, JsonValue] | None = None
    """Gemini's signature of the thoughts before the call. It refuses calls that come back without theirs."""


class _Part(Received):
    """A part of a content that is a list: text or reasoning, which may be a list again."""

    type: str | None = None
    text: str | None = None
    thinking: str | list[_Part] | None = None
    """Mistral's reasoning."""
    summary: list[_Part] | None = None
    """Reasoning of models behind Databricks."""

    @property
    def is_reasoning(self) -> bool:
        return self.type in {"reasoning", "thinking"} or self.thinking is not None

    def reasoning(self) -> str:
        match self.thinking or self.summary or self.text:
            case list() as parts:
                return "".join(part.reasoning() for part in parts)
            case text:
                return text or ""


class _Words(Received):
    """The `delta` of a chunk or the `message` of a complete answer, which have the same shape."""

    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | _Part | None = None
    """An object at some gateways to Bedrock."""
    reasoning: str | None = None
    """The two fields with reasoning of DeepSeek, vLLM, OpenRouter and others. OpenAI sends none."""
    tool_calls: list[_ToolCall] | None = None

    def said(self) -> str | None:
        """The visible text; None if there is none, not even an empty one."""
        texts = [self.refusal]
        match self.content:
            case list() as parts:
                texts += [part.text for part in parts if not part.is_reasoning]
            case content:
                texts.append(content)
        known = [text for text in texts if text is not None]
        return "".join(known) if known else None

    def thought(self) -> str:
        """The reasoning."""
        match self.reasoning_content or self.reasoning:
            case str() as text:
                return text
            case _Part() as part:
                return part.reasoning()
            case _:
                parts = self.content if isinstance(self.content, list) else []
                return "".join(part.reasoning() for part in parts if part.is_reasoning)

    def thought_in(self) -> str | None:
        """The field of this message that holds the reasoning as a text."""
        fields = {"reasoning_content": self.reasoning_content, "reasoning": self.reasoning}
        return next((name for name, given in fields.items() if given and isinstance(given, str)), None)


class _Error(Received):
    code: str | int | None = None


class _Choice(Received):
    index: int | None = None
    delta: _Words | None = None
    message: _Words | None = None
    finish_reason: str | None = None
    error: _Error | str | None = None
    """OpenRouter's, if the provider behind it failed halfway."""


class _Usage(Received):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: Annotated[TokenDetails | None, IfReadable] = None
    completion_tokens_details: Annotated[TokenDetails | None, IfReadable] = None
    prompt_cache_hit_tokens: Count = None
    """DeepSeek's count of cached tokens."""
    reasoning_tokens: Count = None
    """SGLang's."""

    def metrics(self) -> Metrics:
        read = self.prompt_tokens_details or TokenDetails()
        written = self.completion_tokens_details or TokenDetails()
        if read.cached_tokens is None:
            read = read.model_copy(update={"cached_tokens": self.prompt_cache_hit_tokens})
        if written.reasoning_tokens is None:
            written = written.model_copy(update={"reasoning_tokens": self.reasoning_tokens})
        return metrics(self.prompt_tokens, self.completion_tokens, self.total_tokens, read, written)


class _Groq(Received):
    """What Groq's streams hold outside the usual fields."""

    usage: Annotated[_Usage | None, IfReadable] = None
    error: str | None = None
    """Why the stream ended early."""


class _Completion(Received):
    id: Annotated[Identifier | None, IfReadable] = None
    choices: list[_Choice] | None = None
    usage: Annotated[_Usage | None, IfReadable] = None
    error: _Error | str | None = None
    x_groq: Annotated[_Groq | None, IfReadable] = None


_MEANINGS = {
    "error": "server_error",  # Mistral, OpenRouter
    "network_error": "server_error",  # Z.ai
    "insufficient_system_resource": "server_error",  # DeepSeek
    "sensitive": "content_filter",  # Z.ai
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",  # Z.ai, Anthropic
}
"""Finish reasons that OpenAI doesn't have, and what they mean."""


@dataclass(slots=True)
class _Call:
    index: int
    id: str | None
    name: str
    arguments: str
    extra_content: dict[str, JsonValue] | None = None

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
        self._usage: _Usage | None = None
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

    def is_complete(self) -> bool:
        """See `Answer.is_complete`."""
        return self._whole or self._done or self._finish_reason is not None

    def finish(self) -> ModelResponse:
        """See `Answer.finish`."""
        if not self.is_complete():
            raise broken_off()
        if self._finish_reason == "server_error":
            raise failure("server_error")
        if not self._calls and not any(self._text or ()):
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
            metrics=(self._usage or _Usage()).metrics(),
            provider_data=given(
                id=self._id or None, reasoning_field=self._thought_in, extra_content=self._extra_content()
            )
            or None,
        )

    def _extra_content(self) -> list[dict[str, JsonValue] | None] | None:
        """What has to come back with each call; None if nothing has."""
        found = [call.extra_content for call in self._calls]
        return found if any(found) else None

    def _take(self, completion: _Completion) -> ModelDelta | None:
        if completion.error:
            raise self._reported(completion.error)
        groq = completion.x_groq or _Groq()
        if groq.error:
            raise failure("server_error")
        self._id = self._id or completion.id
        self._usage = completion.usage or self._usage or groq.usage
        choice = next((choice for choice in completion.choices or () if not choice.index), None)
        if choice is None:
            return None
        if choice.error:
            raise self._reported(choice.error)
        reason = choice.finish_reason or ""
        self._finish_reason = _MEANINGS.get(reason, reason) or self._finish_reason
        words = choice.delta or choice.message
        return self._say(words) if words else None

    def _reported(self, error: _Error | str) -> ModelError:
        return reported(error.code if isinstance(error, _Error) else None, self._model_id)

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
            self._thought_in = words.thought_in()
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
        call.extra_content = call.extra_content or part.extra_content

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
