"""The chat completions API of OpenAI and compatible servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from agentos.errors import ModelError
from agentos.models.base import ModelRequest, ToolSpec
from agentos.models.openai.chat_answer import ChatAnswer
from agentos.models.openai.codec import Json, data_url, given, schema_format, sendable, sendable_name
from agentos.models.openai.model import AnswerReader, OpenAIModel
from agentos.models.openai.strict_schema import strict_schema
from agentos.models.tool_choice import chosen_tool
from agentos.run.media import File, Image
from agentos.run.messages import Message
from agentos.utils.names import checks_parameters


@checks_parameters
@dataclass(eq=False, kw_only=True, repr=False)
class OpenAIChat(OpenAIModel):
    """A model behind POST /chat/completions."""

    name: str = "OpenAIChat"
    max_tokens: int | None = None
    """The older name of `max_completion_tokens`, and the only one that many other servers support."""
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: str | Sequence[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[str, int] | None = None

    _path: ClassVar[str] = "/chat/completions"

    def _body(self, request: ModelRequest) -> Json:
        wanted = request.response_format
        body = given(
            model=self.id,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            max_completion_tokens=self.max_completion_tokens,
            seed=self.seed,
            stop=self.stop,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            logit_bias=self.logit_bias,
            reasoning_effort=self.reasoning_effort,
            verbosity=self.verbosity,
            store=self.store,
            service_tier=self.service_tier,
            user=self.user,
            metadata=self.metadata,
            response_format=wanted and {"type": "json_schema", "json_schema": schema_format(wanted)},
            stream_options={"include_usage": True} if request.stream else None,
        )
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            # Without tools both options are an error.
            body |= given(
                tool_choice=_tool_choice(request.tool_choice), parallel_tool_calls=self.parallel_tool_calls
            )
        body["messages"] = [_message(message) for message in request.messages]
        return body

    def _answer(self) -> AnswerReader:
        return ChatAnswer(self.id)


def _tool(tool: ToolSpec) -> Json:
    strict = strict_schema(tool.parameters) if tool.strict else None
    function: Json = {
        "name": tool.name,
        "description": tool.description,
        "parameters": strict or tool.parameters,
    }
    if strict is not None:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: str | Mapping[str, Any] | None) -> str | Mapping[str, Any] | None:
    name = chosen_tool(choice)
    return choice if name is None else {"type": "function", "function": {"name": name}}


def _message(message: Message) -> Json:
    match message.role:
        case "assistant":
            return _assistant(message)
        case "tool":
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content or ""}
        case _:
            return {"role": message.role, "content": _content(message), **given(name=message.name)}


def _assistant(message: Message) -> Json:
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {
                "name": sendable_name(call.function.name),
                "arguments": sendable(call.function.arguments),
            },
        }
        for call in message.tool_calls or ()
    ]
    if not calls:
        return {"role": "assistant", "content": message.content or ""}
    kept = {} if message.from_history else message.provider_data or {}
    for call, extra in zip(calls, kept.get("extra_content") or (), strict=False):
        call |= given(extra_content=extra)
    return {
        "role": "assistant",
        "content": message.content or None,
        "tool_calls": calls,
        **_thoughts(message, kept),
    }


def _thoughts(message: Message, kept: Mapping[str, Any]) -> Json:
    """The reasoning before tool calls of this run, for servers that want it back (DeepSeek's do)."""
    field = kept.get("reasoning_field")
    return {field: message.reasoning_content} if field else {}


def _content(message: Message) -> str | list[Json]:
    if not message.images and not message.files:
        return message.content or ""
    text = [{"type": "text", "text": message.content}] if message.content else []
    return [*text, *map(_image, message.images or ()), *map(_file, message.files or ())]


def _image(image: Image) -> Json:
    url = image.url or data_url(image, "image/png")
    return {"type": "image_url", "image_url": {"url": url, **given(detail=image.detail)}}


def _file(file: File) -> Json:
    if file.content is None:
        raise ModelError(
            "Chat completions accept a document's bytes, not its URL: "
            "send the content, or use OpenAIResponses.",
            code="model_rejected",
        )
    name = file.filename or "document"
    return {"type": "file", "file": {"filename": name, "file_data": data_url(file, "application/pdf")}}
