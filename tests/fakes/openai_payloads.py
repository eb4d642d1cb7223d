"""What OpenAI's two APIs put on the wire, built from a text and tool calls."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHAT_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 7,
    "total_tokens": 19,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES_USAGE = {
    "input_tokens": 12,
    "output_tokens": 7,
    "total_tokens": 19,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens_details": {"reasoning_tokens": 3},
}


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: str = "{}"


def words(text: str) -> list[str]:
    """Pieces of about a token that join to `text`."""
    return [piece + " " for piece in text.split(" ")[:-1]] + [text.split(" ")[-1]]


def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def sse(data: object, event: str | None = None) -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def chat(text: str | None, calls: Sequence[Call] = (), *, finish: str | None = None) -> dict:
    tools = [_chat_call(call) for call in calls]
    message = {"role": "assistant", "content": text} | ({"tool_calls": tools} if tools else {})
    choice = {"index": 0, "message": message, "finish_reason": finish or ("tool_calls" if calls else "stop")}
    return _chat_head("chat.completion") | {"choices": [choice], "usage": CHAT_USAGE}


def chat_chunk(delta: dict, finish: str | None = None) -> dict:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _chat_head("chat.completion.chunk") | {"choices": [choice], "usage": None}


def chat_chunks(text: str | None, calls: Sequence[Call] = (), *, usage: bool = True) -> Iterator[dict]:
    yield chat_chunk({"role": "assistant", "content": None if text is None else ""})
    for word in words(text) if text else ():
        yield chat_chunk({"content": word})
    for index, call in enumerate(calls):
        yield chat_chunk({"tool_calls": [{"index": index} | _chat_call(call, arguments="")]})
    # The halves of parallel calls come interleaved, as providers may send them.
    for half in (0, 1):
        for index, call in enumerate(calls):
            part = {"index": index, "function": {"arguments": halves(call.arguments)[half]}}
            yield chat_chunk({"tool_calls": [part]})
    yield chat_chunk({}, finish="tool_calls" if calls else "stop")
    if usage:
        yield _chat_head("chat.completion.chunk") | {"choices": [], "usage": CHAT_USAGE}


def chat_stream(chunks: Iterator[dict] | Sequence[dict]) -> list[bytes]:
    return [*(sse(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


def message_item(text: str, **more: object) -> dict:
    part = {"type": "output_text", "text": text, "annotations": []}
    head = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return head | {"content": [part]} | more


def reasoning_item(*summary: str, encrypted: str | None = None) -> dict:
    parts = [{"type": "summary_text", "text": text} for text in summary]
    more = {"encrypted_content": encrypted} if encrypted else {}
    return {"type": "reasoning", "id": "rs_1", "summary": parts} | more


def call_item(call: Call) -> dict:
    fields = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
    return {"type": "function_call", "id": f"fc_{call.id}", "status": "completed"} | fields


def response(output: Sequence[dict], *, status: str = "completed", **more: object) -> dict:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "fake"}
    return head | {"output": list(output), "error": None, "usage": RESPONSES_USAGE} | more


def response_events(output: Sequence[dict], **more: object) -> Iterator[dict]:
    yield {"type": "response.created", "response": response([], status="in_progress") | {"usage": None}}
    for index, item in enumerate(output):
        where = {"item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield from ({**event, **where} for event in _item_deltas(item))
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    final = response(output, **more)
    yield {"type": f"response.{final['status']}", "response": final}


def response_stream(events: Iterator[dict] | Sequence[dict]) -> list[bytes]:
    return [sse({**event, "sequence_number": n}, event["type"]) for n, event in enumerate(events)]


def _item_deltas(item: dict) -> Iterator[dict]:
    match item["type"]:
        case "message":
            for word in words(item["content"][0]["text"]):
                yield {"type": "response.output_text.delta", "content_index": 0, "delta": word}
        case "function_call":
            for half in halves(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", "delta": half}
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                where = {"summary_index": index}
                yield {"type": "response.reasoning_summary_part.added", "part": part} | where
                for word in words(part["text"]):
                    yield {"type": "response.reasoning_summary_text.delta", "delta": word} | where


def _chat_head(kind: str) -> dict:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "fake"}


def _chat_call(call: Call, arguments: str | None = None) -> dict:
    function = {"name": call.name, "arguments": call.arguments if arguments is None else arguments}
    return {"id": call.id, "type": "function", "function": function}
