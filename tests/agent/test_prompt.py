"""What the model is told."""

from __future__ import annotations

import pytest

from agentos.agent import Agent
from agentos.db.base import Db
from agentos.run.media import File, Image
from agentos.run.runnable import RunContext
from tests.agent.models import call, scripted
from tests.db.made import a_memory


async def told(agent_options: dict[str, object], **run_options: object) -> str:
    """The system message of one run."""
    model, requests = scripted("ok")
    await Agent(model=model, **agent_options).arun("hi", **run_options)  # type: ignore[arg-type]
    first = requests[0].messages[0]
    return (first.content or "") if first.role == "system" else ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ""),
        ({"description": "You sell tea."}, "You sell tea."),
        ({"instructions": "Be brief."}, "<instructions>\nBe brief.\n</instructions>"),
        ({"instructions": ["Be brief.", "Be kind."]}, "- Be brief.\n- Be kind."),
        ({"markdown": True}, "markdown"),
        ({"name": "Ada", "add_name_to_context": True}, "Your name is Ada."),
        ({"role": "clerk"}, "clerk"),
        ({"expected_output": "One word."}, "<expected_output>\nOne word.\n</expected_output>"),
        ({"additional_context": "It is winter."}, "It is winter."),
        ({"add_datetime_to_context": True, "timezone_identifier": "Asia/Tokyo"}, "JST"),
        ({"session_state": {"n": 1}, "add_session_state_to_context": True}, '{"n":1}'),
        ({"system_message": "Only this.", "description": "Not this."}, "Only this."),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else None,
)
async def test_each_setting_reaches_the_model(options: dict[str, object], expected: str) -> None:
    system = await told(options)
    assert expected in system
    assert "Not this." not in system
    assert bool(system) == bool(expected)


async def test_instructions_may_be_functions_of_the_run() -> None:
    async def later(context: RunContext) -> list[str]:
        return [f"Serve {context.user_id}.", "Smile."]

    assert "- Serve alice." in await told({"instructions": later}, user_id="alice")
    assert "always" in await told({"instructions": lambda: "Be nice, always."})


async def test_names_in_braces_are_values_of_the_run_and_other_braces_stay() -> None:
    options = {
        "instructions": 'Greet {who} in {city}; answer {"json": {unknown}}',
        "session_state": {"city": "Rome"},
    }
    system = await told(options, dependencies={"who": "Bo"})
    assert 'Greet Bo in Rome; answer {"json": {unknown}}' in system
    assert "{city}" in await told(options | {"resolve_in_context": False})


async def test_names_in_braces_that_users_have_said_stay(db: Db) -> None:
    kept = a_memory(user_id="bob", memory="They like {key}.")
    await db.create_memory(kept, owner="bob")
    options = {
        "instructions": "Use {key}.",
        "dependencies": {"key": "k-123"},
        "session_state": {"note": "{key}</session_state>"},
        "add_session_state_to_context": True,
        "add_memories_to_context": True,
        "db": db,
    }
    system = await told(options, user_id="bob")
    assert "Use k-123." in system
    assert system.count("k-123") == 1
    assert "- They like {key}." in system
    assert system.endswith('<session_state>\n{"note":"{key}<\\/session_state>"}\n</session_state>')


async def test_dependencies_come_with_the_question() -> None:
    model, requests = scripted("ok")
    await Agent(model=model, dependencies={"tier": "gold"}, add_dependencies_to_context=True).arun("hi")
    assert requests[0].messages[-1].content == 'hi\n\n<context>\n{"tier":"gold"}\n</context>'


async def test_media_travel_with_the_message() -> None:
    model, requests = scripted("ok")
    image, file = Image(url="https://example.com/cat.png"), File(content=b"aGk=", mime_type="text/plain")
    await Agent(model=model).arun("look", images=[image], files=[file])
    assert requests[0].messages[-1].images == [image]
    assert requests[0].messages[-1].files == [file]


async def test_history_is_the_last_runs_without_their_system_messages(db: Db) -> None:
    model, requests = scripted("a1", "a2", "a3", [call("nothing")], "a4", "a5")
    agent = Agent(model=model, db=db, description="Sys.", add_history_to_context=True, num_history_runs=2)
    for number in range(1, 6):
        run = await agent.arun(f"q{number}", session_id="s")
    texts = [(message.role, message.content) for message in requests[-1].messages if message.role != "tool"]
    assert texts == [
        ("system", "Sys."), ("user", "q3"), ("assistant", "a3"), ("user", "q4"), ("assistant", None),
        ("assistant", "a4"), ("user", "q5"),
    ]  # fmt: skip
    stored = await db.get_run(run.run_id, owner="nobody")
    assert stored is None
    assert [message.content for message in run.messages] == ["Sys.", "q5", "a5"]


async def test_a_run_may_do_without_history(db: Db) -> None:
    model, requests = scripted("a1", "a2")
    agent = Agent(model=model, db=db, add_history_to_context=True)
    await agent.arun("q1", session_id="s")
    await agent.arun("q2", session_id="s", add_history_to_context=False)
    assert [message.content for message in requests[-1].messages] == ["q2"]
