"""Scopes of your own in tokens signed with a private key (RS256): the server knows only the public one.

Besides what the symmetric example shows:
- your authentication service signs with the private key, which AgentOS never needs;
- every token names its audience, and one made for another server is refused;
- the admin scope that is configured is the one that is minted.

Run it with `docker compose up -d db` and OPENAI_API_KEY set:

    python custom_scope_mappings.py

JWT_SIGNING_KEY and JWT_VERIFICATION_KEY (PEM) are used if both are set; `agentos keys generate` makes them.
It prints four tokens, and commands to try them with.
"""

import os
from datetime import UTC, datetime, timedelta

import jwt

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIChat
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.tools.websearch import WebSearchTools
from agentos.utils.cryptography import generate_rsa_keys

OS_ID = "my-agent-os"
ADMIN_SCOPE = "app:superadmin"

# Made for this start unless you set them. The environment hands them to the process that reloading starts:
# a file would outlive them.
if not {"JWT_SIGNING_KEY", "JWT_VERIFICATION_KEY"} <= os.environ.keys():
    os.environ["JWT_SIGNING_KEY"], os.environ["JWT_VERIFICATION_KEY"] = generate_rsa_keys()
PRIVATE_KEY, PUBLIC_KEY = os.environ["JWT_SIGNING_KEY"], os.environ["JWT_VERIFICATION_KEY"]

db = PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai"))

research_agent = Agent(
    id="research-agent",
    name="Research Agent",
    model=OpenAIChat(id="gpt-4o"),
    db=db,
    tools=[WebSearchTools()],
    add_history_to_context=True,
    markdown=True,
)

custom_scopes = {
    "GET /config": ["app:admin"],
    "GET /agents": ["app:read"],
    "GET /agents/*": ["app:read"],
    "POST /agents/*/runs": ["app:run", "app:execute"],  # both
    "GET /agents/*/runs/*": ["app:run", "app:execute"],  # to follow what one has started
    "GET /sessions": ["app:admin"],
    "GET /sessions/*": ["app:read", "sessions:read"],
    "GET /memories": ["memory:admin"],
    "POST /memories": ["memory:write"],
}

agent_os = AgentOS(id=OS_ID, description="Custom scopes", agents=[research_agent])
app = agent_os.get_app()
app.add_middleware(
    JWTMiddleware,
    verification_keys=[PUBLIC_KEY],
    algorithm="RS256",
    audience=OS_ID,
    verify_audience=True,
    scope_mappings=custom_scopes,
    admin_scope=ADMIN_SCOPE,
)


def token(sub: str, *scopes: str, audience: str = OS_ID) -> str:
    """What your authentication service does."""
    claims = {"sub": sub, "scopes": scopes, "aud": audience, "exp": datetime.now(UTC) + timedelta(hours=24)}
    return jwt.encode(claims, PRIVATE_KEY, algorithm="RS256")


COMMANDS = """
# Basic may read agents,
curl -H "Authorization: Bearer $BASIC_TOKEN" http://localhost:7777/agents
# but not run them.
curl -H "Authorization: Bearer $BASIC_TOKEN" -H "Content-Type: application/json" \\
  -d '{"message": "test"}' http://localhost:7777/agents/research-agent/runs
# Power may do both.
curl -H "Authorization: Bearer $POWER_TOKEN" -H "Content-Type: application/json" \\
  -d '{"message": "test"}' http://localhost:7777/agents/research-agent/runs
# Admin may do everything.
curl -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:7777/sessions
# A token that was made for another server is none here.
curl -H "Authorization: Bearer $FOREIGN_TOKEN" http://localhost:7777/agents
"""

if __name__ == "__main__":
    print(f'export BASIC_TOKEN="{token("user_123", "app:read")}"')
    print(f'export POWER_TOKEN="{token("user_456", "app:read", "app:run", "app:execute")}"')
    print(f'export ADMIN_TOKEN="{token("admin_789", ADMIN_SCOPE)}"')
    print(f'export FOREIGN_TOKEN="{token("admin_789", ADMIN_SCOPE, audience="another-os")}"')
    print(COMMANDS, flush=True)

    agent_os.serve(app="custom_scope_mappings:app", port=7777, reload=True)
