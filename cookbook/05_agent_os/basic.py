"""An agent behind HTTP, with its sessions in Postgres: nothing more than that needs.

Run it with `docker compose up -d db` and OPENAI_API_KEY set:

    python basic.py

Then, from another terminal:

    curl -F message="Tell me a joke" http://localhost:7777/agents/assistant/runs
    curl -F message="Tell me a joke" -F stream=false http://localhost:7777/agents/assistant/runs
    curl http://localhost:7777/sessions

Without tokens whoever reaches the port may do everything: `rbac/` shows how to change that.
"""

import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIResponses
from agentos.os import AgentOS

assistant = Agent(
    id="assistant",
    name="Assistant",
    model=OpenAIResponses(id="gpt-5.2"),
    db=PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai")),
    add_history_to_context=True,
    markdown=True,
)

agent_os = AgentOS(id="basic-os", agents=[assistant])
app = agent_os.get_app()

if __name__ == "__main__":
    agent_os.serve(app="basic:app", reload=True)
