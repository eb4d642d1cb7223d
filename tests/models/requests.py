"""Short ways to ask a model and to take its answer apart."""

from agentos.models.base import Model, ModelDelta, ModelRequest, ModelResponse, ToolSpec
from agentos.run.messages import Message

ADD = ToolSpec(
    name="add",
    description="Add two numbers.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
ECHO = ToolSpec(
    name="echo",
    description="Repeat a text.",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)


def user(text: str, **more) -> Message:
    return Message(role="user", content=text, **more)


def asking(*messages: str | Message, **more) -> ModelRequest:
    return ModelRequest([user(m) if isinstance(m, str) else m for m in messages], **more)


async def ask(model: Model, *messages: str | Message, **more) -> tuple[list[ModelDelta], ModelResponse]:
    """The pieces and the answer; without `stream=` streamed."""
    items = [item async for item in model.respond(asking(*messages, **more))]
    *deltas, response = items
    assert isinstance(response, ModelResponse)
    assert all(isinstance(delta, ModelDelta) for delta in deltas)
    return deltas, response


async def answer(model: Model, *messages: str | Message, **more) -> ModelResponse:
    return (await ask(model, *messages, **more))[1]
