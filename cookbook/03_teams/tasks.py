"""A team with a list of tasks: its leader plans, members do the tasks, and a task may need another's result.

    python tasks.py

The list belongs to the run. A task whose member fails is failed, and those that depend on it are blocked; the
run can't end as complete while tasks are open, and fails with `max_iterations` if the leader doesn't get them
done. AGENTOS_MODEL names a model, as `openai:gpt-5.4-mini` with OPENAI_API_KEY set; without, a function plays
the leader and the offline model the members, with neither key nor network.
"""

import json
import os
from typing import Any

from agentos.agent import Agent
from agentos.models.base import ModelRequest, ModelResponse
from agentos.models.function import FunctionModel
from agentos.run.messages import FunctionCall, ToolCall
from agentos.team import Team

MODEL = os.getenv("AGENTOS_MODEL")
GOAL = "Write an article about bees: find facts first, then write."

PLAN: list[list[tuple[str, dict[str, Any]]]] = [
    [
        ("create_task", {"title": "Facts", "description": "use facts", "assignee": "researcher"}),
        ("create_task", {"title": "Article", "assignee": "writer", "depends_on": ["task-1"]}),
    ],
    [("execute_task", {"task_id": "task-1", "member_id": "researcher"})],
    [("execute_task", {"task_id": "task-2", "member_id": "writer"})],
    [("mark_all_complete", {"summary": "The article is written."})],
]
"""What the leader calls, turn by turn."""


def lead(request: ModelRequest) -> ModelResponse | str:
    """Plays the leader, who would otherwise be a language model."""
    turn = sum(message.role == "assistant" for message in request.messages)
    if turn == len(PLAN):
        return "Here is your article."
    calls = [
        ToolCall(id=f"{turn}-{place}", function=FunctionCall(name=name, arguments=json.dumps(arguments)))
        for place, (name, arguments) in enumerate(PLAN[turn])
    ]
    return ModelResponse(tool_calls=calls)


def facts() -> str:
    """Finds facts about bees."""
    return "A bee visits 2,000 flowers a day."


team = Team(
    name="Magazine",
    mode="tasks",
    max_iterations=3,
    model=MODEL or FunctionModel(lead),
    members=[
        Agent(name="Researcher", role="Finds facts", model=MODEL or "offline", tools=[facts]),
        Agent(name="Writer", role="Writes articles", model=MODEL or "offline"),
    ],
)

if __name__ == "__main__":
    for event in team.run(GOAL, stream=True, stream_events=True):
        if event.event == "TaskUpdated":
            print(f"{event.title}: {event.previous_status} → {event.status}")
        elif event.event == "TaskStateUpdated":
            print(event.task_summary)
        elif event.event == "RunCompleted" and event.origin and event.origin.nested_depth == 0:
            print(event.content)
