"""A tool call that somebody else must approve, in a run that survives everybody: it waits in Postgres.

Shows that
- a run pauses at such a call, and the server may be stopped and started meanwhile;
- whoever asked for the run can't approve of it, and can't go on without the approval;
- an admin approves, and the run goes on with the arguments that were approved, whatever the client sends.

Run it with `docker compose up -d db`; the offline model needs no key:

    python approvals.py
"""

import os
import secrets
from datetime import UTC, datetime, timedelta

import jwt

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.offline import OfflineModel
from agentos.os import AgentOS
from agentos.os.config import AuthorizationConfig
from agentos.tools import approval, idempotency_key

OS_ID = "approvals-os"
JWT_SECRET = os.environ.setdefault("JWT_VERIFICATION_KEY", secrets.token_urlsafe(48))


@approval(expires_in=24 * 60 * 60)
def transfer(account: str, amount: int) -> str:
    """Sends money."""
    # A bank that is given the key sends it once, should the call be made again after a crash.
    return f"{amount} sent to {account} as {idempotency_key()[:8]}"


clerk = Agent(
    id="clerk",
    name="Clerk",
    model=OfflineModel(),
    tools=[transfer],
    db=PostgresDb(db_url=os.getenv("DATABASE_URL", "postgresql+psycopg://ai:ai@localhost:5532/ai")),
    durable=True,
)

agent_os = AgentOS(
    id=OS_ID,
    agents=[clerk],
    authorization=True,
    authorization_config=AuthorizationConfig(verification_keys=[JWT_SECRET], algorithm="HS256"),
)
app = agent_os.get_app()


def token(sub: str, *scopes: str) -> str:
    claims = {"sub": sub, "scopes": scopes, "aud": OS_ID, "exp": datetime.now(UTC) + timedelta(hours=24)}
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


COMMANDS = """
# The run pauses; its answer says as what: put its run_id and approval_id into RUN and APPROVAL.
curl -H "Authorization: Bearer $USER_TOKEN" -F stream=false \
-F 'message=use transfer with {"account": "A7", "amount": 5}' http://localhost:7777/agents/clerk/runs
# Its user sees what it waits for, but can neither approve nor go on.
curl -H "Authorization: Bearer $USER_TOKEN" http://localhost:7777/approvals
curl -H "Authorization: Bearer $USER_TOKEN" -H "Content-Type: application/json" -d '{"status": "approved"}' \
http://localhost:7777/approvals/$APPROVAL/resolve
curl -H "Authorization: Bearer $USER_TOKEN" -F stream=false -F 'tools=[]' \
http://localhost:7777/agents/clerk/runs/$RUN/continue
# The admin approves, and the user's run goes on.
curl -H "Authorization: Bearer $ADMIN_TOKEN" -H "Content-Type: application/json" -d '{"status": "approved"}' \
http://localhost:7777/approvals/$APPROVAL/resolve
curl -H "Authorization: Bearer $USER_TOKEN" -F stream=false -F 'tools=[]' \
http://localhost:7777/agents/clerk/runs/$RUN/continue
"""

if __name__ == "__main__":
    user_scopes = ["agents:run", "approvals:read", "approvals:write"]
    print(f'export USER_TOKEN="{token("uma", *user_scopes)}"')
    print(f'export ADMIN_TOKEN="{token("ada", "agent_os:admin")}"')
    print(COMMANDS, flush=True)

    agent_os.serve(app=app)
