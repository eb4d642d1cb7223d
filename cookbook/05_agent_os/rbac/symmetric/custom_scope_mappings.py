"""Scopes of your own instead of the default ones, in tokens signed with a shared secret (HS256).

Shows that
- an entry of the map replaces the default scopes of its route, and may ask for several scopes at once;
- what the map leaves out keeps its default scopes, and what no rule allows is denied;
- one scope of your choice passes everywhere and sees everyone's rows.

Run it with `docker compose up -d db` and OPENAI_API_KEY set:

    python custom_scope_mappings.py

It prints four tokens, and commands to try them with.
"""

import os
import secrets
from datetime import UTC, datetime, timedelta

import jwt

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIResponses
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.tools.hackernews import HackerNewsTools

# Made for this start unless you set one, and left in the environment for the process that reloading starts.
JWT_SECRET = os.environ.setdefault("JWT_VERIFICATION_KEY", secrets.token_urlsafe(48))

db = PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai"))

research_agent = Agent(
    id="research-agent",
    name="Research Agent",
    model=OpenAIResponses(id="gpt-5.2"),
    db=db,
    tools=[HackerNewsTools()],
    markdown=True,
)

custom_scopes = {
    "GET /agents": ["app:read"],
    "GET /agents/*": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],  # both
    "GET /agents/*/runs/*": ["app:run", "app:execute"],  # to follow what one has started
    "GET /sessions": ["app:admin"],
    "GET /sessions/*": ["app:read", "sessions:read"],
    "GET /memories": ["memory:admin"],
    "POST /memories": ["memory:write"],
    "GET /config": ["app:admin"],
}

agent_os = AgentOS(id="my-agent-os", description="Custom scopes", agents=[research_agent])
app = agent_os.get_app()
app.add_middleware(
    JWTMiddleware,
    verification_keys=[JWT_SECRET],
    algorithm="HS256",
    scope_mappings=custom_scopes,
    admin_scope="app:superadmin",
)


def token(sub: str, *scopes: str) -> str:
    expires = datetime.now(UTC) + timedelta(hours=24)
    return jwt.encode({"sub": sub, "scopes": scopes, "exp": expires}, JWT_SECRET, algorithm="HS256")


COMMANDS = """
# Basic may read agents,
curl -H "Authorization: Bearer $BASIC_TOKEN" http://localhost:7777/agents
# but not run them.
curl -H "Authorization: Bearer $BASIC_TOKEN" -F message=test http://localhost:7777/agents/research-agent/runs
# Power may do both,
curl -H "Authorization: Bearer $POWER_TOKEN" -F message=test http://localhost:7777/agents/research-agent/runs
# but not list sessions.
curl -H "Authorization: Bearer $POWER_TOKEN" http://localhost:7777/sessions
# Admin may, and sees those that are its own.
curl -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:7777/sessions
# Superadmin sees everyone's.
curl -H "Authorization: Bearer $SUPERADMIN_TOKEN" http://localhost:7777/sessions
"""

if __name__ == "__main__":
    print(f'export BASIC_TOKEN="{token("user_123", "app:read")}"')
    print(f'export POWER_TOKEN="{token("user_456", "app:read", "app:run", "app:execute")}"')
    print(f'export ADMIN_TOKEN="{token("admin_789", "app:admin", "app:read", "memory:admin")}"')
    print(f'export SUPERADMIN_TOKEN="{token("superadmin", "app:superadmin")}"')
    print(COMMANDS, flush=True)

    agent_os.serve(app="custom_scope_mappings:app", port=7777, reload=True)
