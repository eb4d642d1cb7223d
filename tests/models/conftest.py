from collections.abc import AsyncIterator, Callable

import pytest

from agentos.models.openai import OpenAIChat, OpenAIResponses
from tests.fakes.openai_script import Reply, Request
from tests.fakes.openai_server import FakeOpenAI

KEY = "sk-a-key-nobody-may-see"
OpenAI = OpenAIChat | OpenAIResponses


class Scripted:
    """Gives the replies that a test lists, the last one for ever."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)

    def __call__(self, _: Request) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def replies(server: FakeOpenAI) -> Callable[..., None]:
    def script(*replies: Reply) -> None:
        server.respond = Scripted(*replies)

    return script


@pytest.fixture
async def make(server: FakeOpenAI) -> AsyncIterator[Callable[..., OpenAI]]:
    """Makes models that talk to the server, and closes them."""
    made: list[OpenAI] = []

    def make(kind: type[OpenAI], **options) -> OpenAI:
        made.append(kind(**{"api_key": KEY, "base_url": server.url, "max_retries": 0} | options))
        return made[-1]

    yield make
    for model in made:
        await model.aclose()


@pytest.fixture
async def chat(make) -> OpenAIChat:
    return make(OpenAIChat)


@pytest.fixture
async def responses(make) -> OpenAIResponses:
    return make(OpenAIResponses)


@pytest.fixture(params=[OpenAIChat, OpenAIResponses])
async def openai_model(request, make) -> OpenAI:
    return make(request.param)
