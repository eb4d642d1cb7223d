"""Bob's rows, and everything that ann may try to learn about them or do to them."""

from collections.abc import Callable
from typing import Any

import pytest

from agentos.os.principal import Access
from agentos.run import requirement
from tests.os.threats import forged_tokens
from tests.os.threats.rows import (
    Act,
    attached,
    both,
    changes,
    live,
    memory,
    nested,
    posts,
    run,
    session,
    session_with_topic,
    shows,
    waiting,
)
from tests.os.threats.threat import Threat, every, stands
from tests.os.threats.world import BOBS, World

LIVE = "/agents/endless/runs/{run_id}"
READING = {
    "a session": shows("/sessions/{}", session),
    "a session by its kind": shows("/sessions/{}?type=agent", session),
    "a session's runs": shows("/sessions/{session_id}/runs", run),
    "a session's run": shows("/sessions/{session_id}/runs/{run_id}", run),
    "a session's previews": shows("/sessions/{session_id}/run-previews", run),
    "a session's runs, a page of them": shows("/sessions/{session_id}/runs?limit=1", run),
    "a session's media": shows("/sessions/{session_id}/media/{key}", attached),
    "sessions": shows("/sessions?limit=1000", session),
    "sessions by name": shows("/sessions?session_name=private&limit=1000", session),
    "sessions of an agent": shows("/sessions?component_id=web&limit=1000", session),
    "an agent's runs of a session": shows("/agents/web/runs?session_id={session_id}", run),
    "a run": shows("/agents/web/runs/{run_id}", run),
    "a run in its session": shows("/agents/web/runs/{run_id}?session_id={session_id}", run),
    "a live run": shows(LIVE, live),
    "a live run in its session": shows(f"{LIVE}?session_id={{session_id}}", live),
    "a live run's events": shows(f"{LIVE}/events", live, until=BOBS.encode()),
    "a live run's answer": shows(f"{LIVE}/events?stream_events=false", live, until=BOBS.encode()),
    "a live run's text": shows(f"{LIVE}/events?events=text", live, until=BOBS.encode()),
    "how a run's events end": shows(
        "/agents/buyer/runs/{parent_run_id}/events?events=none", waiting, until=BOBS.encode()
    ),
    "a run's places": shows("/agents/web/runs/{run_id}/checkpoints", run),
    "a run at a place": shows("/agents/web/runs/{run_id}/checkpoints/1", run),
    "a live run in the lists": shows("/sessions/{session_id}/runs", live),
    "a session's nested runs": shows("/sessions/{session_id}/runs?nested=true", nested),
    "a session's nested runs by their state": shows(
        "/sessions/{session_id}/runs?nested=true&status=COMPLETED&created_after=0", nested
    ),
    "a session's nested run": shows("/sessions/{session_id}/runs/{run_id}", nested),
    "a session's nested previews": shows("/sessions/{session_id}/run-previews?nested=true", nested),
    "an agent's nested runs of a session": shows(
        "/agents/leader/runs?session_id={session_id}&nested=true", nested
    ),
    "what a nested run waits for": shows("/agents/buyer/runs/{parent_run_id}", waiting),
    "a run with what is nested in it": shows("/agents/leader/runs/{parent_run_id}?include=members", nested),
    "a nested run's events in its root's": shows("/agents/leader/runs/{parent_run_id}/events", nested),
    "a memory": shows("/memories/{}", memory),
    "memories": shows("/memories?limit=1000", memory),
    "memories by text": shows("/memories?search_content=private&limit=1000", memory),
    "memories by topic": shows("/memories?topics={topic}", session_with_topic),
}
CHANGING = {
    "the name": changes("POST", "/sessions/{}/rename", {"session_name": "x"}, session, "/sessions/{}"),
    "the state": changes("PATCH", "/sessions/{}", {"session_state": {"x": 1}}, session, "/sessions/{}"),
    "the metadata": changes("PATCH", "/sessions/{}", {"metadata": {"x": 1}}, session, "/sessions/{}"),
    "that it is there": changes("DELETE", "/sessions/{}", b"", session, "/sessions/{}"),
    "that they are there": changes(
        "DELETE", "/sessions", {"session_ids": ["{}"], "session_types": ["agent"]}, session, "/sessions/{}"
    ),
    "what was said": changes(
        "POST",
        "/agents/web/runs",
        {"message": "x", "session_id": "{}", "stream": False},
        session,
        "/sessions/{}",
    ),
    "a memory": changes("PATCH", "/memories/{}", {"memory": "x"}, memory, "/memories/{}"),
    "a memory's topics": changes(
        "PATCH", "/memories/{}", {"memory": BOBS, "topics": ["x"]}, memory, "/memories/{}"
    ),
    "that a memory is there": changes("DELETE", "/memories/{}", b"", memory, "/memories/{}"),
    "that memories are there": changes("DELETE", "/memories", {"memory_ids": ["{}"]}, memory, "/memories/{}"),
}


def counts(target: str, make: Callable[[World], Any]) -> Act:
    """Whether the count in the answer goes up when bob gets another row."""

    def act(world: World, user: str) -> bool:
        make(world)
        before = world.as_user(user, "GET", target).json["meta"]["total_count"]
        make(world)
        return world.as_user(user, "GET", target).json["meta"]["total_count"] > before

    return act


def topics(world: World, user: str) -> bool:
    return session_with_topic(world)["topic"] in world.as_user(user, "GET", "/memory_topics").json


def stats(world: World, user: str) -> bool:
    memory(world)
    found = world.as_user(user, "GET", "/user_memory_stats").json["data"]
    return "bob" in [each["user_id"] for each in found]


def pages(world: World, user: str) -> bool:
    memory(world), memory(world), memory(world)
    return world.as_user(user, "GET", "/memories?limit=1&topics=secret").json["meta"]["total_pages"] > 2


def answers(world: World, user: str) -> bool:
    """Whether a decision about bob's nested run is taken in the path of the run that waits for it."""
    row = waiting(world)
    call = {"tool_execution": {"tool_call_id": "call-1", "confirmed": True}, "member_run_id": row["run_id"]}
    body = {"requirements": [call], "stream": False}
    target = f"/agents/buyer/runs/{row['parent_run_id']}/continue"
    return world.as_user(user, "POST", target, body=body).is_granted


def answers_in_ones_own(world: World, user: str) -> bool:
    """Whether a decision about bob's nested run is taken in the path of another run, of the user's own."""
    row = waiting(world)
    own = row if user == "bob" else world.nested_run(user, by="buyer")
    call = {"tool_execution": {"tool_call_id": "call-1", "confirmed": True}, "member_run_id": row["run_id"]}
    body = {"requirements": [call], "stream": False}
    target = f"/agents/buyer/runs/{own['parent_run_id']}/continue"
    return world.as_user(user, "POST", target, body=body).is_granted


OF_A_RUN = "/agents/web/runs/{run_id}"
ACTING = {
    "the end of a live run": posts(f"{LIVE}/cancel", {}, live),
    "the stream of a live run": posts(f"{LIVE}/resume", {}, live, until=BOBS.encode()),
    "the stream of a run": posts(f"{OF_A_RUN}/resume", {}, run),
    "another answer": posts(f"{OF_A_RUN}/continue", {"regenerate": True, "stream": False}, run),
    "a fork of a run": posts(f"{OF_A_RUN}/continue", {"input": "x", "stream": False}, run),
    "a nested run's requirement": answers,
    "the end of a run that waits for a nested one": posts(
        "/agents/buyer/runs/{parent_run_id}/cancel", {}, waiting
    ),
    "a copy of a session": posts("/agents/web/sessions/{session_id}/fork", {}, run),
}

COUNTING = {
    "sessions": counts("/sessions?limit=1", session),
    "sessions by name": counts("/sessions?limit=1&session_name=private", session),
    "memories": counts("/memories?limit=1", memory),
    "memories by text": counts("/memories?limit=1&search_content=private", memory),
    "memories by topic": counts("/memories?limit=1&topics=secret", memory),
    "pages": pages,
    "topics": topics,
    "statistics": stats,
}


def threats(table: dict[str, Act]) -> list[Threat]:
    return [threat for name, act in table.items() for threat in both(name, act)]


def taking_calls_by_their_id_alone(patch: pytest.MonkeyPatch) -> None:
    """Whose the call is that is decided isn't asked."""
    by_id = lambda answer, calls: next(call for call in calls if call[1] == answer["tool_call_id"])  # noqa: E731
    patch.setattr(requirement, "_named", by_id)


def reads_a_member(*scopes: str) -> Callable[[World], bool]:
    """Whether bob's token with these scopes reads his run of a member, in the path of the member itself."""

    def attempt(world: World) -> bool:
        target = f"/agents/member/runs/{nested(world)['run_id']}"
        return BOBS in world.ask("GET", target, forged_tokens.token(*scopes, sub="bob")).text

    return attempt


OF_A_MEMBER = "agents:member:run"
WITHIN = Threat(
    "a run within another one, with the scope of its own agent",
    reads_a_member(OF_A_MEMBER),
    reads_a_member(OF_A_MEMBER, "agents:leader:run"),
    lambda patch: patch.setattr(Access, "may_read_run", lambda *_: True),
)
BESIDE = Threat(
    "a nested run of another root",
    lambda world: answers_in_ones_own(world, "ann"),
    lambda world: answers_in_ones_own(world, "bob"),
    taking_calls_by_their_id_alone,
)


@every([*threats(READING), WITHIN])
def test_nobody_reads_anothers_rows(world, threat):
    stands(world, threat)


@every(threats(CHANGING))
def test_nobody_changes_anothers_rows(world, threat):
    stands(world, threat)


@every([*threats(ACTING), BESIDE])
def test_nobody_acts_on_anothers_runs(world, threat):
    stands(world, threat)


@every(threats(COUNTING))
def test_nobody_counts_anothers_rows(world, threat):
    stands(world, threat)
