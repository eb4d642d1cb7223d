"""The scopes that come with AgentOS: `authorization=True`, and tokens that hold some of them.

Shows that
- every route has a default scope, `resource:action`, and nobody writes a map for that;
- tokens must expire and must name this server's id as their audience;
- users see their own sessions only, holders of `agent_os:admin` everyone's.

Run it with `docker compose up -d db` and OPENAI_API_KEY set:

    python default_scopes.py
"""

import os
import secrets
from datetime import UTC, datetime, timedelta

import jwt

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIResponses
from agentos.os import AgentOS
from agentos.os.config import AuthorizationConfig

OS_ID = "default-scopes-os"
JWT_SECRET = os.environ.setdefault("JWT_VERIFICATION_KEY", secrets.token_urlsafe(48))

assistant = Agent(
    id="assistant",
    name="Assistant",
    model=OpenAIResponses(id="gpt-5.2"),
    db=PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai")),
)

agent_os = AgentOS(
    id=OS_ID,
    agents=[assistant],
    authorization=True,
    authorization_config=AuthorizationConfig(verification_keys=[JWT_SECRET], algorithm="HS256"),
)
app = agent_os.get_app()


def token(sub: str, *scopes: str) -> str:
    claims = {"sub": sub, "scopes": scopes, "aud": OS_ID, "exp": datetime.now(UTC) + timedelta(hours=24)}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


COMMANDS = """
# A reader sees the agents but can't run them.
curl -H "Authorization: Bearer $READER_TOKEN" http://localhost:7777/agents
curl -H "Authorization: Bearer $READER_TOKEN" -F message=hi http://localhost:7777/agents/assistant/runs
# A user runs them, and sees the session that came of it.
curl -H "Authorization: Bearer $USER_TOKEN" -F message=hi http://localhost:7777/agents/assistant/runs
curl -H "Authorization: Bearer $USER_TOKEN" http://localhost:7777/sessions
# The admin sees everyone's.
curl -H "Authorization: Bearer $ADMIN_TOKEN" http://localhost:7777/sessions
"""

if __name__ == "__main__":
    print(f'export READER_TOKEN="{token("rita", "agents:read")}"')
    print(f'export USER_TOKEN="{token("uma", "agents:read", "agents:run", "sessions:read")}"')
    print(f'export ADMIN_TOKEN="{token("ada", "agent_os:admin")}"')
    print(COMMANDS, flush=True)

    agent_os.serve(app=app)
