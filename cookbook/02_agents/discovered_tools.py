"""Tools that are discovered when a run begins, and live as long as it does.

    python discovered_tools.py

A `Toolset` opens something, here a database, and offers a tool for each thing that it finds there. Whoever
starts the run decides what it finds: every tenant has reports of their own. The rules around it say which
calls wait for a person. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with OPENAI_API_KEY set;
without, the offline model plays its part, with neither key nor network.
"""

import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

from agentos.agent import Agent
from agentos.run.runnable import RunContext
from agentos.tools import RuledToolset, Tool, Toolbox, ToolRules, Toolset

TENANTS = """
CREATE TABLE reports (tenant text, name text, description text, sql text);
INSERT INTO reports VALUES
    ('acme', 'count_orders', 'Counts the orders.', 'SELECT count(*) FROM orders'),
    ('acme', 'delete_orders', 'Deletes all orders.', 'DELETE FROM orders RETURNING count(*)'),
    ('blue', 'largest_order', 'The largest order.', 'SELECT max(amount) FROM orders');
CREATE TABLE orders (amount integer);
INSERT INTO orders VALUES (10), (30), (20);
"""


class Reports(Toolset):
    """One tool for each report of the tenant whose run it is."""

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncGenerator[Toolbox]:
        """Opens the database for one run and closes it at its end, whatever that is."""
        with closing(sqlite3.connect(":memory:", check_same_thread=False)) as database:
            database.executescript(TENANTS)
            rows = database.execute(
                "SELECT name, description, sql FROM reports WHERE tenant = ?", [context.user_id]
            )
            yield Toolbox.of([report(database, *row) for row in rows], "Answer with a report's figure.")


def report(database: sqlite3.Connection, name: str, description: str, sql: str) -> Tool:
    """A tool without parameters; its function runs in a thread, since it isn't `async`."""

    def run() -> str:
        return str(database.execute(sql).fetchone()[0])

    return Tool.of(run, name=name, description=description)


agent = Agent(
    name="Analyst",
    model=os.environ.get("AGENTOS_MODEL", "offline"),
    tools=[RuledToolset(Reports(), ToolRules(requires_confirmation_tools=["*delete*"]))],
)

if __name__ == "__main__":
    for tenant, task in (("acme", "use count_orders"), ("blue", "use largest_order")):
        print(tenant, "→", agent.run(task, user_id=tenant).content)
    run = agent.run("use delete_orders", user_id="acme")
    print(run.status.value, [each.tool_execution.tool_name for each in run.requirements])
