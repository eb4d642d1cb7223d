from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentos.errors import ConfigurationError
from agentos.run.runnable import RunContext
from agentos.tools import ToolResult
from agentos.tools.websearch import WebSearchTools

NOWHERE = "http://user:secret@127.0.0.1:1"
"""A proxy that refuses every connection."""


@dataclass
class Answer:
    text: str
    status_code: int = 200

    @property
    def content(self) -> bytes:
        return self.text.encode()


@dataclass
class Engines:
    """The far side of ddgs: Wikipedia, and DuckDuckGo's news."""

    articles: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def request(self, method: str, url: str, params: dict[str, Any] | None = None, **options: Any) -> Answer:
        self.asked.append({"url": url, **(params or {})})
        if "opensearch" in url:
            title = ["Python"] if self.articles else []
            return Answer(json.dumps(["python", title, [""], ["https://en.wikipedia.org/wiki/Python"]]))
        if "wikipedia" in url:
            return Answer(json.dumps({"query": {"pages": {"1": {"extract": "A python snake."}}}}))
        if "news.js" in url:
            return Answer(json.dumps({"results": [self.article(n) for n in range(self.articles)]}))
        return Answer('vqd="1-2"')

    def article(self, number: int) -> dict[str, Any]:
        return {
            "date": 1700000000,
            "title": f"Python {number}",
            "excerpt": "About python",
            "url": f"https://example.org/{number}",
            "image": "",
            "source": "Example",
        }


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    far_side = Engines()
    monkeypatch.setattr("ddgs.http_client.HttpClient.request", lambda _, *a, **kw: far_side.request(*a, **kw))
    return far_side


async def search(tools: WebSearchTools, context: RunContext, name: str = "web_search", **arguments: Any):
    return await tools.tools[name].call(json.dumps({"query": "python", **arguments}), context)


async def test_the_web_is_searched(engines: Engines, context: RunContext):
    engines.articles = 1
    result = await search(WebSearchTools(backend="wikipedia"), context)
    assert not result.error
    assert json.loads(result.content) == [
        {"title": "Python", "href": "https://en.wikipedia.org/wiki/Python", "body": "A python snake."}
    ]


async def test_the_news_are_searched_with_region_and_time(engines: Engines, context: RunContext):
    engines.articles = 1
    tools = WebSearchTools(backend="duckduckgo", region="de-de", timelimit="w")
    result = await search(tools, context, "search_news")
    assert [(item["title"], item["url"]) for item in json.loads(result.content)] == [
        ("Python 0", "https://example.org/0")
    ]
    assert (engines.asked[-1]["l"], engines.asked[-1]["df"]) == ("de-de", "w")


@pytest.mark.parametrize(
    ("fixed", "asked", "found"), [(None, {}, 5), (None, {"max_results": 3}, 3), (2, {"max_results": 3}, 2)]
)
async def test_the_number_of_results_is_bounded(
    engines: Engines, context: RunContext, fixed: int | None, asked: dict[str, int], found: int
):
    engines.articles = 12
    tools = WebSearchTools(backend="duckduckgo", fixed_max_results=fixed)
    assert len(json.loads((await search(tools, context, "search_news", **asked)).content)) == found


async def test_nothing_found_is_no_error(engines: Engines, context: RunContext):
    result = await search(WebSearchTools(backend="wikipedia"), context)
    assert result == ToolResult("No results found.")


@pytest.mark.parametrize("name", ["web_search", "search_news"])
async def test_an_absent_network_is_told_to_the_model(
    context: RunContext, caplog: pytest.LogCaptureFixture, name: str
):
    result = await search(WebSearchTools(proxy=NOWHERE, timeout=5), context, name)
    told = "The search engines can't be reached now. Answer without, or try again later."
    assert result == ToolResult(told, error=True)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_missing_package_is_told_to_the_model(context: RunContext, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ddgs.ddgs", None)
    result = await search(WebSearchTools(), context)
    assert result.error
    assert "pip install 'agentos-server[ddgs]'" in result.content


def test_the_package_is_imported_by_the_first_search_only():
    code = "import sys, agentos.tools.websearch as w; w.WebSearchTools(); print('ddgs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("number", [0, 51])
async def test_an_unreasonable_number_asks_nobody(engines: Engines, context: RunContext, number: int):
    result = await search(WebSearchTools(), context, max_results=number)
    assert result.error
    assert "max_results" in result.content
    assert engines.asked == []


@pytest.mark.parametrize(
    ("switch", "names"),
    [
        ({}, ["web_search", "search_news"]),
        ({"enable_news": False}, ["web_search"]),
        ({"enable_search": False}, ["search_news"]),
    ],
)
def test_each_tool_can_be_switched_off(switch: dict[str, bool], names: list[str]):
    assert list(WebSearchTools(**switch).tools) == names


def test_a_fixed_number_below_one_is_refused():
    with pytest.raises(ConfigurationError, match="fixed_max_results"):
        WebSearchTools(fixed_max_results=0)
