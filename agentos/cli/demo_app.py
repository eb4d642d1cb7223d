"""The server that `agentos demo` starts: one agent, an offline model and custom scopes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.os.server import serve as server
from agentos.os.tokens.issue import mint
from agentos.tools.hackernews import HackerNewsTools
from agentos.tools.result import ToolError

SCOPES: Final = {
    "GET /agents": ["app:read"],
    "GET /agents/*": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],
    "GET /agents/*/runs/*": ["app:run", "app:execute"],  # to follow what one has started
    "GET /sessions": ["app:admin"],
    "GET /sessions/*": ["app:read", "sessions:read"],
    "GET /memories": ["memory:admin"],
    "POST /memories": ["memory:write"],
    "GET /config": ["app:admin"],
}
ADMIN_SCOPE: Final = "app:superadmin"
USERS: Final = {
    "BASIC": ("user_123", ["app:read"]),
    "POWER": ("user_456", ["app:read", "app:run", "app:execute"]),
    "ADMIN": ("admin_789", ["app:admin", "app:read", "app:run", "app:execute"]),
    "SUPERADMIN": ("superadmin", [ADMIN_SCOPE]),
}
"""The users that get tokens, with their scopes."""
TOKENS_LAST: Final = timedelta(hours=24)


def count_words(text: str) -> int:
    """Counts the words of a text.

    Args:
        text: What to count.
    """
    return len(text.split())


def clock(zone: str = "UTC") -> str:
    """Says what the clock shows.

    Args:
        zone: A time zone like Europe/Vienna.
    """
    try:
        return f"{datetime.now(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ToolError(f"There is no time zone {zone!r}.") from error


def tokens(secret: str) -> dict[str, str]:
    """A token for each of `USERS`, by user name."""
    return {
        name: mint(sub, key=secret, algorithm="HS256", scopes=scopes, ttl=TOKENS_LAST)
        for name, (sub, scopes) in USERS.items()
    }


def serve(db_url: str, secret: str, *, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serves until it is stopped; calls `ready` once it responds."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        announcing = asyncio.create_task(_announce(host, port, ready))
        yield
        announcing.cancel()
        await asyncio.wait([announcing])

    agent = Agent(
        id="research-agent",
        name="Research Agent",
        model=OfflineModel(),
        db=PostgresDb(db_url=db_url),
        tools=[count_words, clock, HackerNewsTools()],
        add_history_to_context=True,
        enable_agentic_memory=True,
    )
    agent_os = AgentOS(id="demo", name="Demo", agents=[agent], lifespan=lifespan)
    app = agent_os.get_app()
    app.add_middleware(
        JWTMiddleware,
        verification_keys=[secret],
        algorithm="HS256",
        scope_mappings=SCOPES,
        admin_scope=ADMIN_SCOPE,
    )
    server.serve(app, title="Demo", host=host, port=port, lifespan="on", log_level="warning")


async def _announce(host: str, port: int, ready: Callable[[], None]) -> None:
    """Polls the port: the server listens only after its lifespan has started, and sends no signal."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return ready()
