"""Hacker News, read through its official API."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from agentos import net
from agentos.errors import ConfigurationError, FetchError
from agentos.tools.result import ToolError
from agentos.tools.toolkit import Toolkit

T = TypeVar("T")


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

    `timeout` is in seconds, for one HTTP request. `proxy` is the URL of an HTTP proxy, if requests need one.
    When Hacker News can't be reached, the answer says so.
    """

    def __init__(
        self,
        *,
        enable_get_top_stories: bool = True,
        enable_get_user_details: bool = True,
        timeout: float = 30,
        base_url: str = "https://hacker-news.firebaseio.com/v0",
        proxy: str | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigurationError("HackerNewsTools: base_url must begin with http:// or https://.")
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._proxy = proxy
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
        async with self._client() as client:
            ids = await self._get(client, "topstories.json", _IDS)
            found = await asyncio.gather(*(self._story(client, story_id) for story_id in ids[:num_stories]))
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
        async with self._client() as client:
            user = await self._get(client, f"user/{username}.json", _USER)
        if user is None:
            raise ToolError(f"Hacker News has no user {username!r}; names are case-sensitive.")
        details = user.model_dump(mode="json", exclude_none=True)
        return details | {"total_items_submitted": len(user.submitted)}

    def _client(self) -> net.Client:
        return net.Client(origins=[self._base_url], seconds=self._timeout, proxy=self._proxy)

    async def _story(self, client: net.Client, story_id: int) -> _Story | None:
        """None for a story that is gone or can't be had: the others are still worth showing."""
        try:
            return await self._get(client, f"item/{story_id}.json", _STORY)
        except ToolError:
            return None

    async def _get(self, client: net.Client, path: str, shape: TypeAdapter[T]) -> T:
        try:
            answer = await client.get(f"{self._base_url}/{path}")
            if answer.status == 200:
                return shape.validate_json(answer.content)
            why = f"HTTP {answer.status}"
        except FetchError as error:
            why = str(error).rstrip(".")
        except ValidationError:
            why = "its answer has an unknown shape"
        raise ToolError(
            f"Hacker News can't be read right now ({why}). Answer without it, or try again later."
        )
