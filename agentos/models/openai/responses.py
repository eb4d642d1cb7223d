"""OpenAI's responses API, which returns reasoning summaries and keeps reasoning between tool calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from agentos.models.base import ModelRequest, ToolSpec
from agentos.models.openai.codec import Json, data_url, given, schema_format, sendable, sendable_name
from agentos.models.openai.model import AnswerReader, OpenAIModel
from agentos.models.openai.responses_answer import ResponsesAnswer
from agentos.models.openai.strict_schema import strict_schema
from agentos.models.tool_choice import chosen_tool
from agentos.run.media import File, Image
from agentos.run.messages import Message
from agentos.utils.names import checks_parameters


@checks_parameters
@dataclass(eq=False, kw_only=True, repr=False)
class OpenAIResponses(OpenAIModel):
    """A model behind POST /responses.

    Every request contains the whole conversation. It depends on the provider's storage only for reasoning
    without encrypted content, which is sent back by id.
    """

    name: str = "OpenAIResponses"
    max_output_tokens: int | None = None
    reasoning_summary: str | None = None
    """Detail of the reasoning summary: `auto`, `concise` or `detailed`."""
    include: Sequence[str] | None = None
    """Additional parts of the response to request, e.g. `reasoning.encrypted_content`."""
    truncation: str | None = None
    """`auto` drops the middle of a conversation that is too long; `disabled` makes it an error."""

    _path: ClassVar[str] = "/responses"

    def _body(self, request: ModelRequest) -> Json:
        wanted = request.response_format
        text_format = wanted and {"type": "json_schema", **schema_format(wanted)}
        body = given(
            model=self.id,
            temperature=self.temperature,
            top_p=self.top_p,
            max_output_tokens=self.max_output_tokens,
            reasoning=given(effort=self.reasoning_effort, summary=self.reasoning_summary) or None,
            text=given(verbosity=self.verbosity, format=text_format) or None,
            include=self.include,
            truncation=self.truncation,
            store=self.store,
            service_tier=self.service_tier,
            user=self.user,
            metadata=self.metadata,
        )
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            body |= given(
                tool_choice=_tool_choice(request.tool_choice), parallel_tool_calls=self.parallel_tool_calls
            )
        body["input"] = self._input(request.messages)
        return body

    def _answer(self) -> AnswerReader:
        return ResponsesAnswer(self.id)

    def _input(self, messages: Sequence[Message]) -> list[Json]:
        # Reasoning belongs to the turn that is under way; of earlier ones the provider would ignore it,
        # or refuse an id that it has forgotten since.
        turn = max((n for n, message in enumerate(messages) if message.role == "user"), default=0)
        items: list[Json] = []
        for n, message in enumerate(messages):
            match message.role:
                case "assistant":
                    kept = self._kept(message) if n > turn else []
                    items += kept or _assistant(message)
                case "tool":
                    output = {"call_id": message.tool_call_id, "output": message.content or ""}
                    items.append({"type": "function_call_output", **output})
                case _:
                    items.append({"role": message.role, "content": _content(message)})
        return items

    def _kept(self, message: Message) -> list[Json]:
        """The original items of an answer, if they are this model's and must be sent back unchanged."""
        kept = message.provider_data or {}
        if kept.get("model") != self.id:
            return []
        items: list[Json] = kept["output"]
        bare = any(item["type"] == "reasoning" and not item.get("encrypted_content") for item in items)
        if bare and self.store is False:
            # The provider would look for it by its id, and find nothing.
            return []
        return [{**item, **given(arguments=_arguments(item))} for item in items]


def _tool(tool: ToolSpec) -> Json:
    strict = strict_schema(tool.parameters) if tool.strict else None
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": strict or tool.parameters,
        # Unsaid, it would mean yes.
        "strict": strict is not None,
    }


def _tool_choice(choice: str | Mapping[str, Any] | None) -> str | Mapping[str, Any] | None:
    name = chosen_tool(choice)
    return choice if name is None else {"type": "function", "name": name}


def _arguments(item: Json) -> str | None:
    return sendable(item["arguments"]) if item["type"] == "function_call" else None


def _assistant(message: Message) -> list[Json]:
    calls = [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": sendable_name(call.function.name),
            "arguments": sendable(call.function.arguments),
        }
        for call in message.tool_calls or ()
    ]
    phase = (message.provider_data or {}).get("phase")
    said = {"role": "assistant", "content": message.content or "", **given(phase=phase)}
    return calls if calls and not message.content else [said, *calls]


def _content(message: Message) -> str | list[Json]:
    if not message.images and not message.files:
        return message.content or ""
    text = [{"type": "input_text", "text": message.content}] if message.content else []
    return [*text, *map(_image, message.images or ()), *map(_file, message.files or ())]


def _image(image: Image) -> Json:
    url = image.url or data_url(image, "image/png")
    return {"type": "input_image", "image_url": url, "detail": image.detail or "auto"}


def _file(file: File) -> Json:
    if file.url:
        return {"type": "input_file", "file_url": file.url}
    name = file.filename or "document"
    return {"type": "input_file", "filename": name, "file_data": data_url(file, "application/pdf")}
