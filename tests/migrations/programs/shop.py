"""The server that writes a database for the tests of upgrades, and that later continues what is in it.

It runs under the release that writes and under the present one, so it uses documented imports only. Whoever
asks for a tool names it in the message. With HOLD set, whoever asks for `hold` waits forever.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from uuid import uuid4

from agentos.agent import Agent
from agentos.db.postgres import PostgresDb
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.os import AgentOS
from agentos.os.middleware import JWTMiddleware
from agentos.run.messages import FunctionCall, ToolCall
from agentos.run.runnable import RunContext
from agentos.tools import approval, tool


async def stamp(run_context: RunContext) -> str:
    """Says which release has executed it, and how the caller wanted it."""
    run_context.session_state["stamped"] = os.environ["RELEASE"]
    return f"{os.environ['RELEASE']} {run_context.dependencies.get('tone', 'plain')}"


@tool(requires_confirmation=True)
async def pay(amount: int = 5) -> str:
    """Pays."""
    return f"paid {amount}"


@approval
@tool
async def refund(amount: int = 7) -> str:
    """Gives money back."""
    return f"refunded {amount}"


async def speak(request: ModelRequest) -> AsyncIterator[str | ModelResponse]:
    asked = [str(message.content) for message in request.messages if message.role == "user"][-1]
    last = request.messages[-1]
    called = [spec.name for spec in request.tools if spec.name in asked] if last.role == "user" else []
    if called:
        function = FunctionCall(name=called[0], arguments="{}")
        yield ModelResponse(tool_calls=[ToolCall(id=f"call-{uuid4().hex}", function=function)])
        return
    if "hold" in asked and "HOLD" in os.environ:
        await asyncio.Event().wait()
    if "fail" in asked:
        raise RuntimeError
    yield f"It says: {last.content}"


db = PostgresDb(os.environ["DATABASE_URL"], pool_size=4, **json.loads(os.environ["TABLES"]))
tools = [stamp, pay, refund]
agent_os = AgentOS(
    id="shop",
    agents=[
        Agent(id="clerk", model=FunctionModel(speak), db=db, tools=tools),
        Agent(id="durable-clerk", model=FunctionModel(speak), db=db, tools=tools, durable=True),
    ],
)
app = agent_os.get_app()
app.add_middleware(
    JWTMiddleware, verification_keys=[os.environ["SHOP_KEY"]], algorithm="HS256", authorization=True
)

if __name__ == "__main__":
    agent_os.serve(app=app)
