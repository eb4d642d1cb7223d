"""Settings that need a database are named once, if there is none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentos.db.postgres import PostgresDb
from agentos.os import AgentOS
from agentos.os.server.retention import Retention
from tests.os.apps import agent

SWITCHES = {
    "add_history_to_context": True,
    "enable_agentic_memory": True,
    "update_memory_on_run": True,
    "add_memories_to_context": True,
    "durable": True,
    "multitask": "enqueue",
}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("switch", SWITCHES)
async def test_a_setting_that_does_nothing_is_named_once(
    switch: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = agent(**{switch: SWITCHES[switch]})
    await one.arun("hi")
    await one.arun("hi again")
    (said,) = warnings_of(caplog)
    assert switch in said
    assert said.startswith("Agent 'web' has no db, so ")


async def test_a_run_that_asks_for_history_is_told(caplog: pytest.LogCaptureFixture) -> None:
    await agent().arun("hi", add_history_to_context=True)
    assert "add_history_to_context" in warnings_of(caplog)[0]


async def test_with_a_database_or_without_such_settings_nothing_is_said(
    db: PostgresDb, caplog: pytest.LogCaptureFixture
) -> None:
    await agent().arun("hi")
    await agent(db=db, add_history_to_context=True, durable=True).arun("hi")
    AgentOS(agents=[agent()], db=db, durable=True, retention=Retention(events=timedelta(days=1))).get_app()
    assert warnings_of(caplog) == []


async def test_a_server_without_a_database_is_told(caplog: pytest.LogCaptureFixture) -> None:
    AgentOS(agents=[agent()], durable=True, retention=Retention(events=timedelta(days=1))).get_app()
    assert warnings_of(caplog) == ["AgentOS has no db, so it ignores durable, retention: pass db=…"]
