"""Scopes for single agents: `agents:<id>:run` lets a token run that one and no other.

Shows that
- the same holds for reading: `GET /agents` lists just the agents that the token may read;
- `agents:*:run`, like `agents:run`, means all of them.

Run it with `docker compose up -d db` and OPENAI_API_KEY set:

    python per_agent_scopes.py
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

OS_ID = "per-agent-os"
JWT_SECRET = os.environ.setdefault("JWT_VERIFICATION_KEY", secrets.token_urlsafe(48))

db = PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai"))
model = OpenAIResponses(id="gpt-5.2")

agent_os = AgentOS(
    id=OS_ID,
    agents=[
        Agent(id="web", name="Web Agent", model=model, db=db, instructions="Search the web."),
        Agent(
            id="finance",
            name="Finance Agent",
            model=model,
            db=db,
            instructions="Count money.",
        ),
    ],
    authorization=True,
    authorization_config=AuthorizationConfig(verification_keys=[JWT_SECRET], algorithm="HS256"),
)
app = agent_os.get_app()


def token(sub: str, *scopes: str) -> str:
    claims = {"sub": sub, "scopes": scopes, "aud": OS_ID, "exp": datetime.now(UTC) + timedelta(hours=24)}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


COMMANDS = """
# Sees the web agent only, runs it, and can't run the other.
curl -H "Authorization: Bearer $WEB_TOKEN" http://localhost:7777/agents
curl -H "Authorization: Bearer $WEB_TOKEN" -F message=hi http://localhost:7777/agents/web/runs
curl -H "Authorization: Bearer $WEB_TOKEN" -F message=hi http://localhost:7777/agents/finance/runs
# Sees and runs both.
curl -H "Authorization: Bearer $ALL_TOKEN" http://localhost:7777/agents
curl -H "Authorization: Bearer $ALL_TOKEN" -F message=hi http://localhost:7777/agents/finance/runs
"""

if __name__ == "__main__":
    print(f'export WEB_TOKEN="{token("wendy", "agents:web:read", "agents:web:run")}"')
    print(f'export ALL_TOKEN="{token("ali", "agents:read", "agents:*:run")}"')
    print(COMMANDS, flush=True)

    agent_os.serve(app=app)
