"""Hacker News, read through its official API."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import cache
from ssl import SSLContext
from typing import Annotated, Any, TypeVar

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from agentos.errors import ConfigurationError
from agentos.tools.result import ToolError
from agentos.tools.toolkit import Toolkit

T = TypeVar("T")

_PARALLEL = 10


class _Story(BaseModel):
    id: int
    title: str | None = None
    url: str | None = None
    text: str | None = None
    by: str | None = None
    score: int | None = None
    descendants: int | None = None
    time: datetime | None = None


class _User(BaseModel):
    id: str
    karma: int
    about: str | None = None
    created: datetime
    submitted: list[int] = Field(default_factory=list[int], exclude=True)


_IDS = TypeAdapter(list[int])
_STORY = TypeAdapter[_Story | None](_Story | None)
_USER = TypeAdapter[_User | None](_User | None)


class HackerNewsTools(Toolkit):
    """The top stories of Hacker News, and its users.

    `timeout` is in seconds, for one HTTP request. When Hacker News can't be reached, the answer says so.
    """

    def __init__(
        self,
        *,
        enable_get_top_stories: bool = True,
        enable_get_user_details: bool = True,
        timeout: float = 30,
        base_url: str = "https://hacker-news.firebaseio.com/v0",
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigurationError("HackerNewsTools: base_url must begin with http:// or https://.")
        self._base_url = base_url
        self._timeout = httpx.Timeout(timeout, pool=None)
        tools = [self.get_top_hackernews_stories] if enable_get_top_stories else []
        users = [self.get_user_details] if enable_get_user_details else []
        super().__init__("hackernews", [*tools, *users])

    async def get_top_hackernews_stories(
        self, num_stories: Annotated[int, Field(ge=1, le=50)] = 10
    ) -> list[dict[str, Any]]:
        """Get the top stories of Hacker News: title, address, author, score and number of comments.

        Args:
            num_stories: How many stories to get.
        """
        async with await self._client() as client:
            ids = await _get(client, "topstories.json", _IDS)
            found = await asyncio.gather(*(_story(client, story_id) for story_id in ids[:num_stories]))
        stories = [story.model_dump(mode="json", exclude_none=True) for story in found if story is not None]
        if ids and not stories:
            raise ToolError("Hacker News listed its top stories but gave none of them. Try again later.")
        return stories

    async def get_user_details(
        self, username: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    ) -> dict[str, Any]:
        """Get what Hacker News shows of a user: karma, self-description, age and number of submissions.

        Args:
            username: The user's name on Hacker News.
        """
        async with await self._client() as client:
            user = await _get(client, f"user/{username}.json", _USER)
        if user is None:
            raise ToolError(f"Hacker News has no user {username!r}; names are case-sensitive.")
        details = user.model_dump(mode="json", exclude_none=True)
        return details | {"total_items_submitted": len(user.submitted)}

    async def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._base_url,
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=_PARALLEL),
            verify=await asyncio.to_thread(_tls),
        )


@cache
def _tls() -> SSLContext:
    """Made once, in a thread: reading all root certificates takes many milliseconds."""
    return httpx.create_ssl_context()


async def _story(client: httpx.AsyncClient, story_id: int) -> _Story | None:
    """None for a story that is gone or can't be had: the others are still worth showing."""
    try:
        return await _get(client, f"item/{story_id}.json", _STORY)
    except ToolError:
        return None


async def _get(client: httpx.AsyncClient, path: str, shape: TypeAdapter[T]) -> T:
    try:
        response = await client.get(path)
        response.raise_for_status()
        return shape.validate_json(response.content)
    except (httpx.HTTPError, ValidationError) as error:
        why = f"Hacker News can't be read right now ({type(error).__name__})."
        raise ToolError(f"{why} Answer without it, or try again later.") from error
