"""The server that docker-compose.yml runs; its settings come from the environment.

DATABASE_URL          the Postgres to use
JWT_VERIFICATION_KEY  the secret, 32 bytes or more, of HS256 tokens; their audience is `agentos`
AGENTOS_MODEL         `openai:gpt-5.2` unless set; `offline` needs neither key nor network
OPENAI_API_KEY        for models of OpenAI's
"""

import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.config import AuthorizationConfig

assistant = Agent(
    id="assistant",
    name="Assistant",
    model=os.getenv("AGENTOS_MODEL") or "openai:gpt-5.2",
    db=PostgresDb(db_url=os.environ["DATABASE_URL"]),
    add_history_to_context=True,
    markdown=True,
)

agent_os = AgentOS(
    id="agentos",
    agents=[assistant],
    authorization=True,
    authorization_config=AuthorizationConfig(algorithm="HS256"),
)
app = agent_os.get_app()
