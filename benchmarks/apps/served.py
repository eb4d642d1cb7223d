"""The server under test: one agent behind JWTs and a scope map, its runs stored."""

from __future__ import annotations

import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIChat
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware

SCOPES = {
    "GET /agents": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],
    "GET /sessions": ["app:read"],
}

agent = Agent(
    id="research-agent",
    name="Research Agent",
    model=OpenAIChat(id="gpt-5.2"),
    db=PostgresDb(os.environ["DATABASE_URL"]),
    description="Finds things out.",
)
app = AgentOS(id="bench", agents=[agent]).get_app()
app.add_middleware(
    JWTMiddleware,
    verification_keys=[os.environ["JWT_VERIFICATION_KEY"]],
    algorithm="HS256",
    scope_mappings=SCOPES,
)
