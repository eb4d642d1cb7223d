"""Parses a response of the responses API, complete or streamed, into a `ModelResponse`."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from agentos.models.base import ModelDelta, ModelResponse
from agentos.models.openai.codec import (
    DONE,
    Identifier,
    Json,
    JsonText,
    Received,
    TokenDetails,
    metrics,
    tool_call,
)
from agentos.models.openai.failures import broken_off, failure, nonsense, reported, used_up
from agentos.run.messages import Metrics

_GAP = "\n\n"
"""Separator between the parts of a reasoning summary."""


class _Part(Received):
    text: str | None = None
    refusal: str | None = None


class _Item(Received):
    type: str
    call_id: Identifier | None = None
    name: str | None = None
    arguments: JsonText = ""
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    phase: str | None = None


class _Error(Received):
    code: str | int | None = None


class _Incomplete(Received):
    reason: str | None = None


class _Usage(Received):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None

    def metrics(self) -> Metrics:
        return metrics(
            self.input_tokens,
            self.output_tokens,
            self.total_tokens,
            self.input_tokens_details,
            self.output_tokens_details,
        )


class _Response(Received):
    id: str | None = None
    status: str | None = None
    output: list[dict[str, JsonValue]] | None = None
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Usage | None = None


class _Event(Received):
    type: str


class _Delta(Received):
    delta: str


class _ItemDone(Received):
    item: dict[str, JsonValue]


class _Ended(Received):
    response: _Response


class ResponsesAnswer:
    """Assembles the output items of one response."""

    def __init__(self, model_id: str) -> None:
        self._model_id = model_id
        self._response: _Response | None = None
        self._items: list[dict[str, JsonValue]] = []
        self._thought = False

    def whole(self, content: bytes) -> None:
        """See `Answer.whole`."""
        self._response = _Response.model_validate_json(content)

    def piece(self, event: object) -> ModelDelta | None:
        """See `Answer.piece`."""
        if event == DONE:
            return None
        match _Event.model_validate(event).type:
            case "response.output_text.delta" | "response.refusal.delta":
                return ModelDelta(content=_Delta.model_validate(event).delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._thought = True
                return ModelDelta(reasoning_content=_Delta.model_validate(event).delta)
            case "response.reasoning_summary_part.added" if self._thought:
                return ModelDelta(reasoning_content=_GAP)
            case "response.output_item.done":
                self._items.append(_ItemDone.model_validate(event).item)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._response = _Ended.model_validate(event).response
            case "error":
                raise reported(_Error.model_validate(event).code, self._model_id)
            case _:
                pass
        return None

    def is_complete(self) -> bool:
        """See `Answer.is_complete`."""
        return self._response is not None

    def finish(self) -> ModelResponse:
        """See `Answer.finish`."""
        response = self._response
        if response is None:
            raise broken_off()
        if response.status == "failed" or response.error:
            raise reported(response.error.code if response.error else None, self._model_id)
        output = response.output or self._items
        items = [_Item.model_validate(item) for item in output]
        text = _text(items)
        calls = [tool_call(*_call(item)) for item in items if item.type == "function_call"]
        if not calls and not text:
            _refuse_empty(response, text)
        return ModelResponse(
            content=text or (None if calls else ""),
            reasoning_content=_reasoning(items),
            tool_calls=calls,
            metrics=(response.usage or _Usage()).metrics(),
            provider_data=self._keep(response, items, output),
        )

    def _keep(self, response: _Response, items: list[_Item], output: list[dict[str, JsonValue]]) -> Json:
        phase = next((item.phase for item in reversed(items) if item.phase), None)
        kept: dict[str, Any] = {"id": response.id} | ({"phase": phase} if phase else {})
        if any(item.type not in {"message", "function_call"} for item in items):
            kept |= {"model": self._model_id, "output": output}
        return kept


def _refuse_empty(response: _Response, text: str | None) -> None:
    match response.incomplete_details and response.incomplete_details.reason:
        case "max_output_tokens":
            raise used_up()
        case "content_filter":
            raise failure("content_filter")
        case _ if text is None:
            raise nonsense("its answer holds neither text nor tool calls")
        case _:
            pass


def _text(items: list[_Item]) -> str | None:
    parts = [part for item in items if item.type == "message" for part in item.content or ()]
    return "".join(part.text or part.refusal or "" for part in parts) if parts else None


def _reasoning(items: list[_Item]) -> str | None:
    parts = [
        part for item in items if item.type == "reasoning" for part in item.summary or item.content or ()
    ]
    return _GAP.join(part.text or "" for part in parts) or None


def _call(item: _Item) -> tuple[str, str, str]:
    if not item.call_id or not item.name:
        raise nonsense("it called a tool without a name or an id")
    return item.call_id, item.name, item.arguments
