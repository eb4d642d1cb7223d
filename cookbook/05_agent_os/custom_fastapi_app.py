"""Agents beside the routes of a FastAPI app of your own, behind the same tokens.

Shows that
- `base_app` keeps its routes and its lifespan, and the agents' routes join them;
- your routes need a line in the scope map, too: without one they are denied, not open;
- a route reads who is asking from `request.state`.

Run it with `docker compose up -d db` and OPENAI_API_KEY set:

    python custom_fastapi_app.py
"""

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import jwt
from fastapi import FastAPI, Request

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIResponses
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware

JWT_SECRET = os.environ.setdefault("JWT_VERIFICATION_KEY", secrets.token_urlsafe(48))
customers: dict[str, str] = {}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    customers.update({"alice": "gold", "bob": "silver"})
    yield
    customers.clear()


base_app = FastAPI(title="Shop", lifespan=lifespan)


@base_app.get("/customers/me")
async def me(request: Request) -> dict[str, str]:
    """The caller's own record."""
    user_id: str = request.state.user_id
    return {"customer": user_id, "level": customers.get(user_id, "none")}


@base_app.get("/customers")
async def everyone() -> list[str]:
    """No line in the map names this route."""
    return list(customers)


assistant = Agent(
    id="assistant",
    name="Shop Assistant",
    model=OpenAIResponses(id="gpt-5.2"),
    db=PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai")),
)

agent_os = AgentOS(id="shop-os", agents=[assistant], base_app=base_app)
app = agent_os.get_app()
app.add_middleware(
    JWTMiddleware,
    verification_keys=[JWT_SECRET],
    algorithm="HS256",
    scope_mappings={"GET /customers/me": ["customers:read"]},
)

COMMANDS = """
# Her own record
curl -H "Authorization: Bearer $ALICE_TOKEN" http://localhost:7777/customers/me
# A route without a line in the map: 403, and the answer says which line would do
curl -H "Authorization: Bearer $ALICE_TOKEN" http://localhost:7777/customers
# The agents' routes, with their default scopes
curl -H "Authorization: Bearer $ALICE_TOKEN" -F message=hi http://localhost:7777/agents/assistant/runs
"""

if __name__ == "__main__":
    claims = {
        "sub": "alice",
        "scopes": ["customers:read", "agents:run"],
        "exp": datetime.now(UTC) + timedelta(hours=24),
    }
    print(f'export ALICE_TOKEN="{jwt.encode(claims, JWT_SECRET, algorithm="HS256")}"')
    print(COMMANDS, flush=True)

    agent_os.serve(app=app)
