from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools.hackernews import HackerNewsTools

STORIES = {
    n: {
        "id": n,
        "type": "story",
        "title": f"Story {n}",
        "by": "pg",
        "score": n,
        "time": 1700000000,
        "kids": [1, 2, 3],
    }
    for n in range(1, 31)
}
USER = {"id": "pg", "karma": 157236, "created": 1160418092, "about": "Bug fixer.", "submitted": [1, 2, 3]}


class HackerNews(ThreadingHTTPServer):
    """The far side: answers from `pages`; None is an error 500, an Event is waited for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.pages: dict[str, object] = {f"/v0/item/{n}.json": story for n, story in STORIES.items()}
        self.pages["/v0/topstories.json"] = list(STORIES)
        self.pages["/v0/user/pg.json"] = USER
        self.moved: dict[str, str] = {}
        self.asked: list[str] = []
        self.connections = 0

    def verify_request(self, request: object, client_address: object) -> bool:
        self.connections += 1
        return True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v0"


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HackerNews

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        page = self.server.pages.get(self.path, "null")
        if isinstance(page, threading.Event | threading.Barrier):
            page.wait(timeout=30)
            page = STORIES[1]
        body = page if isinstance(page, bytes) else json.dumps(None if page == "null" else page).encode()
        self.send_response(500 if page is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def far_side() -> Iterator[HackerNews]:
    with HackerNews() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def stories(tools: HackerNewsTools, context: RunContext, arguments: str = "{}"):
    return await tools.tools["get_top_hackernews_stories"].call(arguments, context)


async def user(tools: HackerNewsTools, context: RunContext, username: str):
    return await tools.tools["get_user_details"].call(json.dumps({"username": username}), context)


async def test_top_stories_come_in_their_order(far_side: HackerNews, context: RunContext):
    result = await stories(HackerNewsTools(base_url=far_side.url), context, '{"num_stories": 2}')
    assert not result.error
    assert json.loads(result.content) == [
        {"id": n, "title": f"Story {n}", "by": "pg", "score": n, "time": "2023-11-14T22:13:20Z"}
        for n in (1, 2)
    ]


async def test_ten_stories_are_the_default(far_side: HackerNews, context: RunContext):
    result = await stories(HackerNewsTools(base_url=far_side.url), context)
    assert len(json.loads(result.content)) == 10


async def test_stories_are_read_over_ten_connections_at_once(far_side: HackerNews, context: RunContext):
    far_side.pages |= dict.fromkeys([f"/v0/item/{n}.json" for n in range(1, 31)], threading.Barrier(10))
    result = await stories(HackerNewsTools(base_url=far_side.url), context, '{"num_stories": 30}')
    assert (len(json.loads(result.content)), far_side.connections) == (30, 10)


async def test_a_story_that_can_not_be_had_is_left_out(far_side: HackerNews, context: RunContext):
    far_side.pages |= {"/v0/item/1.json": None, "/v0/item/2.json": "null", "/v0/item/3.json": b"<html>"}
    result = await stories(HackerNewsTools(base_url=far_side.url), context, '{"num_stories": 4}')
    assert [story["id"] for story in json.loads(result.content)] == [4]


async def test_no_story_at_all_is_an_error(far_side: HackerNews, context: RunContext):
    far_side.pages["/v0/item/1.json"] = None
    result = await stories(HackerNewsTools(base_url=far_side.url), context, '{"num_stories": 1}')
    assert result.error
    assert "gave none of them" in result.content


@pytest.mark.parametrize("number", [0, 51])
async def test_an_unreasonable_number_asks_nobody(far_side: HackerNews, context: RunContext, number: int):
    result = await stories(
        HackerNewsTools(base_url=far_side.url), context, json.dumps({"num_stories": number})
    )
    assert result.error
    assert "num_stories" in result.content
    assert far_side.asked == []


async def test_a_user_is_shown_without_the_list_of_submissions(far_side: HackerNews, context: RunContext):
    result = await user(HackerNewsTools(base_url=far_side.url), context, "pg")
    assert json.loads(result.content) == {
        "id": "pg",
        "karma": 157236,
        "about": "Bug fixer.",
        "created": "2006-10-09T18:21:32Z",
        "total_items_submitted": 3,
    }


async def test_an_unknown_user_is_an_answer(far_side: HackerNews, context: RunContext):
    result = await user(HackerNewsTools(base_url=far_side.url), context, "nobody")
    assert result.error
    assert "no user 'nobody'" in result.content


@pytest.mark.parametrize("username", ["../item/1", "pg.json?x=", "a/b", "", "pg\n", "%2e%2e", "x" * 33])
async def test_a_name_that_is_a_path_asks_nobody(far_side: HackerNews, context: RunContext, username: str):
    result = await user(HackerNewsTools(base_url=far_side.url), context, username)
    assert result.error
    assert "username" in result.content
    assert far_side.asked == []


@pytest.mark.parametrize("page", [None, b"<html>", b'{"a": 1}', b""], ids=["500", "html", "wrong", "empty"])
async def test_an_answer_that_makes_no_sense_is_told_to_the_model(
    far_side: HackerNews, context: RunContext, page: bytes | None
):
    far_side.pages["/v0/topstories.json"] = page
    result = await stories(HackerNewsTools(base_url=far_side.url), context)
    assert result.error
    assert result.content.startswith("Hacker News can't be read right now")
    assert far_side.url not in result.content


async def test_an_absent_network_is_told_to_the_model(context: RunContext):
    result = await stories(HackerNewsTools(base_url="http://127.0.0.1:1"), context)
    assert result.error
    assert "can't be read right now (The server can't be reached" in result.content


async def test_a_silent_server_is_told_to_the_model(far_side: HackerNews, context: RunContext):
    silence = threading.Event()
    far_side.pages["/v0/topstories.json"] = silence
    result = await stories(HackerNewsTools(base_url=far_side.url, timeout=0.05), context)
    silence.set()
    assert result.error
    assert "The server took longer than 0.05 seconds" in result.content


@pytest.mark.parametrize(
    ("switch", "names"),
    [
        ({}, ["get_top_hackernews_stories", "get_user_details"]),
        ({"enable_get_user_details": False}, ["get_top_hackernews_stories"]),
        ({"enable_get_top_stories": False}, ["get_user_details"]),
    ],
)
def test_each_tool_can_be_switched_off(switch: dict[str, bool], names: list[str]):
    assert list(HackerNewsTools(**switch).tools) == names


async def test_a_redirect_to_this_machine_is_not_followed(far_side: HackerNews, context: RunContext):
    with HackerNews() as inner:
        far_side.moved["/v0/topstories.json"] = f"{inner.url}/topstories.json"
        result = await stories(HackerNewsTools(base_url=far_side.url), context)
    assert result.error
    assert "isn't on the public internet" in result.content
    assert inner.connections == 0


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(ConfigurationError, match="base_url must begin with"):
        HackerNewsTools(base_url="hacker-news.firebaseio.com")
