"""Teams in the mode `tasks`: their events, ends and refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from agentos.errors import ConfigurationError
from agentos.run.budget import Budget
from agentos.run.events import RunEvent, TaskCreated, TaskIterationStarted, TaskStateUpdated, TaskUpdated
from agentos.run.owner import ANYONE
from agentos.run.records import RunStatus
from agentos.run.wire import encode_event
from agentos.team import Team
from agentos.tools import tool
from tests.agent.models import call
from tests.team.task_team import (
    Members,
    answers,
    completed,
    created,
    executed,
    leader,
    of_team,
    played,
    statuses,
    team,
    together,
)

RECORDED = """
TeamRunStarted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamTaskIterationStarted {"team_id":"t-tasks","run_id":"#1","iteration":1,"max_iterations":10}
TeamModelRequestStarted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamModelRequestCompleted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamToolCallStarted {"team_id":"t-tasks","run_id":"#1","tool":{"tool_name":"create_task","tool_args":{"title":"T1","description":"first","assignee":"alpha"}}}
TeamTaskCreated {"team_id":"t-tasks","run_id":"#1","task_id":"task-1","title":"T1","description":"first","assignee":"alpha","status":"pending","dependencies":[]}
TeamToolCallCompleted {"team_id":"t-tasks","run_id":"#1","content":"create_task(title=T1, description=first, assignee=alpha) completed in …s. ","tool":{"tool_name":"create_task","tool_args":{"title":"T1","description":"first","assignee":"alpha"},"tool_call_error":false,"result":"Task created: [task-1] T1 (status: pending)"}}
TeamModelRequestStarted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamModelRequestCompleted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamToolCallStarted {"team_id":"t-tasks","run_id":"#1","tool":{"tool_name":"execute_task","tool_args":{"task_id":"task-1","member_id":"alpha"}}}
TeamTaskUpdated {"team_id":"t-tasks","run_id":"#1","task_id":"task-1","title":"T1","status":"in_progress","previous_status":"pending","assignee":"alpha"}
RunStarted {"agent_id":"alpha","run_id":"#2","parent_run_id":"#1","model":"alpha"}
ModelRequestStarted {"agent_id":"alpha","run_id":"#2","parent_run_id":"#1","model":"alpha"}
RunContent {"agent_id":"alpha","run_id":"#2","parent_run_id":"#1","content":"alpha says: first"}
ModelRequestCompleted {"agent_id":"alpha","run_id":"#2","parent_run_id":"#1","model":"alpha"}
RunContentCompleted {"agent_id":"alpha","run_id":"#2","parent_run_id":"#1"}
RunCompleted {"agent_id":"alpha","run_id":"#2","parent_run_id":"#1","content":"alpha says: first"}
TeamTaskUpdated {"team_id":"t-tasks","run_id":"#1","task_id":"task-1","title":"T1","status":"completed","previous_status":"in_progress","result":"alpha says: first","assignee":"alpha"}
TeamToolCallCompleted {"team_id":"t-tasks","run_id":"#1","content":"execute_task(task_id=task-1, member_id=alpha) completed in …s. ","tool":{"tool_name":"execute_task","tool_args":{"task_id":"task-1","member_id":"alpha"},"tool_call_error":false,"result":"alpha says: first","child_run_id":"#2"}}
TeamModelRequestStarted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamModelRequestCompleted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamToolCallStarted {"team_id":"t-tasks","run_id":"#1","tool":{"tool_name":"mark_all_complete","tool_args":{"summary":"done"}}}
TeamToolCallCompleted {"team_id":"t-tasks","run_id":"#1","content":"mark_all_complete(summary=done) completed in …s. ","tool":{"tool_name":"mark_all_complete","tool_args":{"summary":"done"},"tool_call_error":false,"result":"Goal marked as complete. Summary: done"}}
TeamModelRequestStarted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamRunContent {"team_id":"t-tasks","run_id":"#1","content":"final"}
TeamModelRequestCompleted {"team_id":"t-tasks","run_id":"#1","model":"leader"}
TeamTaskStateUpdated {"team_id":"t-tasks","run_id":"#1","task_summary":"…","goal_complete":true,"completion_summary":"done","tasks":[{"id":"task-1","title":"T1","status":"completed","assignee":"alpha"}]}
TeamTaskIterationCompleted {"team_id":"t-tasks","run_id":"#1","iteration":1,"max_iterations":10,"task_summary":"…"}
TeamRunContentCompleted {"team_id":"t-tasks","run_id":"#1"}
TeamRunCompleted {"team_id":"t-tasks","run_id":"#1","content":"final"}
"""  # noqa: E501 - one line an event
"""As Agno 3.1.10 sends it, but for the task's id, the member's answer, which it repeats, and the members'
whole runs in the last event."""

_LEFT_OUT = {
    "created_at", "event", "event_index", "session_id", "team_name", "agent_name", "nested_depth",
    "model_provider", "metrics", "content_type", "session_state", "workflow_agent", "reasoning_content",
    "time_to_first_token",
}  # fmt: skip
_OF_TOOLS = {"tool_name", "tool_args", "tool_call_error", "result", "child_run_id"}


def recorded(events: Sequence[RunEvent]) -> list[str]:
    """The events as in a recorded stream."""
    ids: dict[str, str] = {}

    def named(run_id: str) -> str:
        return ids.setdefault(run_id, f"#{len(ids) + 1}")

    lines: list[str] = []
    for event in events:
        name, text = encode_event(event)
        fields: dict[str, Any] = {
            field: value
            for field, value in json.loads(text).items()
            if field not in _LEFT_OUT and not field.endswith("_tokens")
        }
        for field in {"run_id", "parent_run_id"} & fields.keys():
            fields[field] = named(fields[field])
        if "tool" in fields:
            tool = {k: v for k, v in fields["tool"].items() if k in _OF_TOOLS and v is not None}
            if "child_run_id" in tool:
                tool["child_run_id"] = named(tool["child_run_id"])
            fields["tool"] = tool
        if "task_summary" in fields:
            fields["task_summary"] = "…"
        if name.endswith("ToolCallCompleted"):
            fields["content"] = f"{fields['content'].rpartition(' completed in ')[0]} completed in …s. "
        lines.append(f"{name} {json.dumps(fields, separators=(',', ':'), ensure_ascii=False)}")
    return lines


async def test_the_events_are_those_of_the_recorded_stream(db) -> None:
    task = call("create_task", {"title": "T1", "description": "first", "assignee": "alpha"})
    _, events = await played(team([task], [executed("task-1")], [completed()], "final", db=db))
    assert recorded(events) == RECORDED.strip().splitlines()


async def test_a_leader_that_needs_no_tasks_answers_at_once(db) -> None:
    run, events = await played(team("Hello", db=db))
    assert (run.status, run.content) == (RunStatus.COMPLETED, "Hello")
    assert of_team(events) == [
        "RunStarted", "TaskIterationStarted", "TaskStateUpdated", "TaskIterationCompleted", "RunCompleted",
    ]  # fmt: skip


async def test_a_leader_is_reminded_of_open_tasks_until_none_is_left(db) -> None:
    leading = team(
        [created("T1"), created("T2")], "Later", [executed("task-1"), executed("task-2")], "All", db=db
    )
    run, events = await played(leading)
    assert (run.status, run.content) == (RunStatus.COMPLETED, "All")
    assert [e.iteration for e in events if isinstance(e, TaskIterationStarted)] == [1, 2]
    (reminder,) = [message for message in run.messages if message.name == "task_list"]
    assert reminder.role == "user"
    assert '"id":"task-2","title":"T2","status":"pending"' in (reminder.content or "")
    last = [event for event in events if isinstance(event, TaskStateUpdated)][-1]
    assert (last.goal_complete, last.task_summary.splitlines()[0]) == (False, "Tasks (2/2 completed):")


async def test_a_run_out_of_iterations_fails(db) -> None:
    run, events = await played(team([created("T1")], "Later", "Still later", db=db, max_iterations=2))
    assert (run.status, run.error_type) == (RunStatus.ERROR, "max_iterations")
    assert "2 times, and 1 of them" in run.content
    assert [message.content for message in run.messages if message.role == "assistant"][1:] == [
        "Later",
        "Still later",
    ]
    assert of_team(events)[-4:] == [
        "TaskIterationStarted",
        "TaskStateUpdated",
        "TaskIterationCompleted",
        "RunError",
    ]
    run, _ = await played(
        team([created("T1")], "Later", [executed("task-1")], "Done", db=db, max_iterations=2)
    )
    assert (run.status, run.content) == (RunStatus.COMPLETED, "Done")


async def test_a_failed_task_is_not_completed_and_blocks_those_that_depend_on_it(db) -> None:
    tasks = [created("T1"), created("T2", "task-1"), created("T3", "task-2")]
    run, events = await played(team(tasks, [executed("task-1", "gamma")], "It failed", db=db))
    assert (run.status, run.content) == (RunStatus.COMPLETED, "It failed")
    assert statuses(events) == [
        ("task-1", "pending", "in_progress"),
        ("task-1", "in_progress", "failed"),
        ("task-2", "pending", "blocked"),
        ("task-3", "pending", "blocked"),
    ]
    told, error = answers(run.messages)[-1]
    assert (error, "'gamma' has failed (model_overloaded)" in (told or "")) == (True, True)
    failed = await db.get_run(run.tools[-1].child_run_id, owner=ANYONE)
    assert failed.status is RunStatus.ERROR


async def test_a_failed_task_may_be_executed_again(db) -> None:
    members = Members()
    again = [executed("task-1", "gamma"), executed("task-2")]
    leading = team(
        [created("T1"), created("T2", "task-1")], [executed("task-1", "gamma")], again, [executed("task-2")],
        [completed()], "final", db=db, members=members,
    )  # fmt: skip
    run, events = await played(leading)
    assert run.status is RunStatus.COMPLETED
    assert statuses(events)[2:] == [
        ("task-2", "pending", "blocked"),
        ("task-1", "failed", "in_progress"),
        ("task-2", "blocked", "pending"),
        ("task-1", "in_progress", "completed"),
        ("task-2", "pending", "in_progress"),
        ("task-2", "in_progress", "completed"),
    ]
    runs = [tool.child_run_id for tool in run.tools if tool.child_run_id]
    assert (len(runs), len(set(runs))) == (3, 3)
    refused, error = answers(run.messages)[4]
    assert error
    assert "depends on others that aren't completed: [task-1] T1 (in_progress)" in (refused or "")


async def test_a_member_is_told_the_results_that_its_task_builds_on(db) -> None:
    run, _ = await played(
        team(
            [created("T1"), created("T2", "task-1")],
            [executed("task-1")],
            [executed("task-2", "beta")],
            "ok",
            db=db,
        )
    )
    nested = await db.get_run(run.tools[-1].child_run_id, owner=ANYONE)
    tag, listed, end, _, task = nested.input.input_content.split("\n")
    assert (tag, end, task) == ("<task_results>", "</task_results>", "T2")
    assert json.loads(listed) == [{"task_id": "task-1", "title": "T1", "result": "alpha says: T1"}]


async def test_tasks_done_at_once_have_results_of_their_own(db) -> None:
    tasks = [created("T1"), created("T2", assignee="gamma"), created("T3", "task-1"), created("T4", "task-2")]
    run, events = await played(
        team(tasks, [together("task-1", "task-2")], "ok", [executed("task-3")], "end", db=db)
    )
    assert json.loads(answers(run.messages)[4][0] or "") == [
        {"task_id": "task-1", "member_id": "alpha", "status": "completed", "content": "alpha says: T1"},
        {
            "task_id": "task-2", "member_id": "gamma", "status": "failed",
            "error": "The member 'gamma' has failed (model_overloaded): It is overloaded.",
        },
    ]  # fmt: skip
    assert statuses(events) == [
        ("task-1", "pending", "in_progress"),
        ("task-2", "pending", "in_progress"),
        ("task-1", "in_progress", "completed"),
        ("task-2", "in_progress", "failed"),
        ("task-4", "pending", "blocked"),
        ("task-3", "pending", "in_progress"),
        ("task-3", "in_progress", "completed"),
    ]


@pytest.mark.parametrize(("turns", "status"), [(3, RunStatus.ERROR), (10, RunStatus.COMPLETED)])
async def test_a_budget_that_ends_in_one_of_several_tasks_ends_the_run(db, turns, status) -> None:
    tasks = [created("T1"), created("T2", assignee="beta")]
    budget = Budget(turns=turns)
    run, _ = await played(team(tasks, [together("task-1", "task-2")], "ok", db=db, budget=budget))
    assert (run.status, run.error_type) == (status, None if turns == 10 else "budget_exceeded")


async def test_nothing_is_complete_while_tasks_are_open(db) -> None:
    early = [created("T1"), completed("early")]
    run, events = await played(
        team(early, [executed("task-1"), completed("with it")], [completed("late")], "final", db=db)
    )
    refused = [text for text, error in answers(run.messages) if error]
    assert [text.partition(". ")[0] for text in refused if text] == [
        "There are open tasks: [task-1] T1 (pending)",
        "There are open tasks: [task-1] T1 (in_progress)",
    ]
    (state,) = [event for event in events if isinstance(event, TaskStateUpdated)]
    assert (state.goal_complete, state.completion_summary) == (True, "late")


@pytest.mark.parametrize(
    ("refused", "accepted", "why"),
    [
        (executed("task-9"), executed("task-1"), "There is no task 'task-9'. Tasks: task-1, task-2."),
        (executed("task-1", "zeta"), executed("task-1", "beta"), "Members: alpha, beta, gamma, payer."),
        (executed("task-2"), executed("task-1"), "[task-1] T1 (pending)"),
        (together("task-1", "task-3"), together("task-1"), "There is no task 'task-3'"),
        (together(), together("task-1"), "give 1 to 64"),
        (created("T3", "task-7"), created("T3", "task-2"), "There is no task 'task-7'"),
        (created("T3", assignee="zeta"), created("T3", assignee=None), "There is no member 'zeta'"),
        (created(" "), created("T3"), "has no title"),
    ],
    ids=["task", "member", "dependency", "one of several", "none", "unknown", "assignee", "title"],
)
async def test_what_a_leader_may_not_call(db, refused, accepted, why) -> None:
    tasks = [created("T1"), created("T2", "task-1")]
    for asked, is_refused in ((refused, True), (accepted, False)):
        run, events = await played(team(tasks, [asked], "ok", "ok", db=db, max_iterations=2))
        text, error = answers(run.messages)[2]
        assert (error, why in (text or "")) == (is_refused, is_refused)
        shown = [event for event in events if isinstance(event, TaskCreated | TaskUpdated)]
        assert (len(shown) > len(tasks)) is not is_refused


async def test_a_task_is_executed_once_at_a_time_and_not_again(db) -> None:
    members = Members()
    twice = [executed("task-1"), executed("task-1", "beta"), together("task-1")]
    run, _ = await played(team([created("T1")], twice, [executed("task-1")], "final", db=db, members=members))
    said = answers(run.messages)
    assert [error for _, error in said] == [False, False, True, True, True]
    assert [text for text, _ in said[2:4]] == [
        "The task [task-1] T1 is in progress: wait for its result."
    ] * 2
    assert "is completed" in (said[4][0] or "")
    assert members.asked == {"alpha": 1}


async def test_a_leader_may_do_tasks_itself(db) -> None:
    def status(word: str, result: str | None = None):
        return [call("update_task_status", {"task_id": "task-1", "status": word, "result": result}, "u")]

    note = [call("add_task_note", {"task_id": "task-1", "note": "I know it"}, "n")]
    leading = team(
        [created("T1"), created("T2", "task-1")], status("in_progress"), note, status("completed", "42"),
        [call("list_tasks")], [executed("task-2")], "final", db=db,
    )  # fmt: skip
    run, events = await played(leading)
    assert statuses(events)[:2] == [
        ("task-1", "pending", "in_progress"),
        ("task-1", "in_progress", "completed"),
    ]
    listed = json.loads(answers(run.messages)[5][0] or "")
    assert listed[0]["notes"] == ["I know it"]
    assert (listed[0]["status"], listed[1]["status"]) == ("completed", "pending")
    nested = await db.get_run(run.tools[-1].child_run_id, owner=ANYONE)
    assert '"result":"42"' in nested.input.input_content


async def test_a_later_run_of_the_session_begins_with_an_empty_list(db) -> None:
    first = team(
        [created("T1")], [executed("task-1")], [completed()], "final", db=db, add_history_to_context=True
    )
    await played(first, session_id="s")
    second = Team(
        name="t-tasks", mode="tasks", members=Members().all(), db=db,
        model=leader([created("T9")], "Later", [executed("task-1")], "end"),
    )  # fmt: skip
    run, events = await played(second, session_id="s")
    assert [e.iteration for e in events if isinstance(e, TaskIterationStarted)] == [1, 2]
    assert run.status is RunStatus.COMPLETED
    assert [e.title for e in events if isinstance(e, TaskCreated)] == ["T9"]
    assert run.session_state == {}


async def test_reminders_are_no_questions_of_the_user(db) -> None:
    turns = [[created("T1")], "Later", [executed("task-1")], "Done"]
    for question in ("first", "second"):
        leading = team(*turns, db=db, add_team_history_to_members=True, num_team_history_runs=3)
        run, _ = await played(leading, question, session_id="s")
    nested = await db.get_run(run.tools[-1].child_run_id, owner=ANYONE)
    tag, said, *_, task = nested.input.input_content.split("\n")
    assert (tag, json.loads(said), task) == ("<team_history>", [{"input": "first", "answer": "Done"}], "T1")


async def test_members_may_see_what_others_have_done(db) -> None:
    turns = [[created("T1"), created("T2")], [executed("task-1")], [executed("task-2", "beta")], "Done"]
    for shares in (True, False):
        run, _ = await played(team(*turns, db=db, share_member_interactions=shares))
        nested = await db.get_run(run.tools[-1].child_run_id, owner=ANYONE)
        before, _, task = nested.input.input_content.rpartition("\n\n")
        assert (task or nested.input.input_content) == "T2"
        assert ('"task":"T1","response":"alpha says: T1"' in before) is shares


async def test_a_tool_that_ends_the_run_ends_it_with_open_tasks(db) -> None:
    @tool(stop_after_tool_call=True)
    def give_up() -> str:
        """Gives up."""
        return "I give up"

    run, events = await played(team([created("T1")], [call("give_up")], db=db, tools=[give_up]))
    assert (run.status, run.content) == (RunStatus.COMPLETED, "I give up")
    assert len([event for event in events if isinstance(event, TaskIterationStarted)]) == 1


def test_a_tool_may_not_be_named_like_one_for_tasks() -> None:
    def create_task() -> None:
        """Another one."""

    with pytest.raises(ConfigurationError, match="create_task"):
        team(tools=[create_task])
    assert team(tools=[tool(name="make_task")(create_task)]).known_tools.keys() == {"make_task"}
