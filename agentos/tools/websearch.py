"""Web and news search through the `ddgs` package (extra `ddgs`), which asks several search engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agentos.errors import ConfigurationError
from agentos.tools.result import ToolError
from agentos.tools.toolkit import Toolkit

MaxResults = Annotated[int, Field(ge=1, le=50)]
TimeLimit = Literal["d", "w", "m", "y"]
"""Results of the last day, week, month or year."""


class WebSearchTools(Toolkit):
    """Searches the web and the news.

    `backend` is one or several engines of ddgs, with commas between, or `auto`. `fixed_max_results` is what
    every search returns, whatever the model asks for. `timeout` is in seconds, for one request to an engine.
    Without `ddgs` or without a network the tools' answer says so.
    """

    def __init__(
        self,
        *,
        enable_search: bool = True,
        enable_news: bool = True,
        backend: str = "auto",
        fixed_max_results: int | None = None,
        region: str = "us-en",
        timelimit: TimeLimit | None = None,
        proxy: str | None = None,
        timeout: int = 10,
    ) -> None:
        if fixed_max_results is not None and fixed_max_results < 1:
            raise ConfigurationError("WebSearchTools: fixed_max_results must be at least 1, or None.")
        self._backend = backend
        self._fixed_max_results = fixed_max_results
        self._region = region
        self._timelimit = timelimit
        self._proxy = proxy
        self._timeout = timeout
        search = [self.web_search] if enable_search else []
        news = [self.search_news] if enable_news else []
        super().__init__("websearch", [*search, *news])

    def web_search(self, query: str, max_results: MaxResults = 5) -> list[dict[str, str]] | str:
        """Search the web: title, address and a summary of each page found.

        Args:
            query: What to search for.
            max_results: How many pages to return.
        """
        return self._search("text", query, max_results)

    def search_news(self, query: str, max_results: MaxResults = 5) -> list[dict[str, str]] | str:
        """Search the latest news: title, address, date, source and a summary of each article found.

        Args:
            query: What to search for.
            max_results: How many articles to return.
        """
        return self._search("news", query, max_results)

    def _search(
        self, category: Literal["text", "news"], query: str, max_results: int
    ) -> list[dict[str, str]] | str:
        try:
            from ddgs.ddgs import DDGS
            from ddgs.exceptions import DDGSException
        except ImportError as error:
            raise ToolError(
                "Web search is not installed here: pip install 'agentos-server[ddgs]'."
            ) from error
        engines = DDGS(proxy=self._proxy, timeout=self._timeout)
        search = engines.text if category == "text" else engines.news
        try:
            return search(
                query,
                max_results=self._fixed_max_results or max_results,
                backend=self._backend,
                region=self._region,
                timelimit=self._timelimit,
            )
        except DDGSException as error:
            # ddgs has no class of its own for this; its other texts hold addresses and are not for a model.
            if str(error) == "No results found.":
                return "No results found."
            raise ToolError(
                "The search engines can't be reached now. Answer without, or try again later."
            ) from error
