"""The server that the tests of whole flows talk to: one agent with a tool."""

import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.openai import OpenAIChat
from agentos.os import AgentOS


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


calculator = Agent(
    id="calculator",
    name="Calculator",
    model=OpenAIChat(id="fake", api_key="fake", max_retries=0),
    db=PostgresDb(db_url=os.environ["DATABASE_URL"]),
    tools=[add],
)
agent_os = AgentOS(id="flows", agents=[calculator])

if __name__ == "__main__":
    agent_os.serve(app=agent_os.get_app())
