"""The server of which the tests of several processes run two: one database, tokens, an offline model."""

import os

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.config import AuthorizationConfig

agent = Agent(id="web", model=OfflineModel(), db=PostgresDb(db_url=os.environ["DATABASE_URL"], pool_size=5))
agent_os = AgentOS(
    id="guarded",
    agents=[agent],
    authorization=True,
    authorization_config=AuthorizationConfig(algorithm="HS256"),
)

if __name__ == "__main__":
    agent_os.serve(app=agent_os.get_app())
