"""How a team works with its members, and what its model is told about that."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class TeamMode(StrEnum):
    """How a team's model, its leader, works with the members."""

    COORDINATE = "coordinate"
    """The leader gives tasks to members and writes the answer from what they say."""
    ROUTE = "route"
    """The leader chooses a member, whose answer is the team's."""
    BROADCAST = "broadcast"
    """All members get the same task, and the leader writes the answer from what they say."""
    TASKS = "tasks"
    """The leader keeps a list of tasks, and gives them to members until all are done."""


RULES: Final[Mapping[TeamMode, str]] = MappingProxyType(
    {
        TeamMode.COORDINATE: (
            "You lead these members. Give each task to the member whose role fits it best, with "
            "delegate_task_to_member. Members see only the task that you write, so write all that they need "
            "to know into it. Give tasks that don't depend on each other in one turn. Then answer the user "
            "yourself, from what the members say. Answer at once if you need no member."
        ),
        TeamMode.ROUTE: (
            "You choose which of these members answers. Give the user's request to the member whose role "
            "fits it best, with delegate_task_to_member: its answer goes to the user as it is. Members see "
            "only the task that you write, so write all that they need to know into it. Answer yourself "
            "only if no member fits."
        ),
        TeamMode.BROADCAST: (
            "You lead these members. Give the task to all of them with delegate_task_to_members. They see "
            "only the task that you write, so write all that they need to know into it. Then answer the "
            "user yourself, from what all of them say."
        ),
        TeamMode.TASKS: (
            "You lead these members towards the user's goal with a list of tasks. Break the goal down with "
            "create_task, saying which tasks depend on others. Let members do the tasks with execute_task, "
            "or several that don't depend on each other with execute_tasks_parallel. Members see only a "
            "task's description and the results of the tasks that it depends on. If a task fails, give it "
            "to another member, or create another task. When all is done, call mark_all_complete, then "
            "answer the user."
        ),
    }
)
"""What the leader is told."""
