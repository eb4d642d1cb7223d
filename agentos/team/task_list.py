"""The tasks of one run of a team, as its leader's calls have made them.

The calls are part of the run's record, so the list needs no storage of its own. It is the same after a pause,
in another process and after a crash, and the session's other runs don't see it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import compress
from typing import Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from agentos.run.messages import ToolExecution
from agentos.run.records import RunOutput
from agentos.run.value import Value
from agentos.tools.result import ToolError

CREATE: Final = "create_task"
EXECUTE: Final = "execute_task"
EXECUTE_PARALLEL: Final = "execute_tasks_parallel"
BY_MEMBERS: Final = frozenset({EXECUTE, EXECUTE_PARALLEL})

MAX_PARALLEL: Final = 64
"""Tasks of one call of execute_tasks_parallel."""

_SHORT = 200
"""Characters of a result in lists and events. All of it is in the run of the member."""

Turns = Sequence[Sequence[ToolExecution]]
"""The calls of a run, by model turn."""


class TaskStatus(StrEnum):
    """How far a task is."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"
    """A task that it depends on has failed, or is blocked itself."""


Settable = Literal["pending", "in_progress", "completed", "failed"]
"""The statuses that the leader can set. `blocked` follows from the others."""


@dataclass(slots=True)
class Task:
    """One task. Its id is its place among those that the leader has created in the run."""

    id: str
    title: str
    description: str
    assignee: str | None
    dependencies: Sequence[str]
    status: TaskStatus = TaskStatus.PENDING
    result: str | None = None
    """What the member, or the leader itself, has said about it."""
    notes: list[str] = field(default_factory=list[str])
    is_with_member: bool = False
    """Whether a member works on it."""
    is_by_member: bool = False
    """Whether the result is a member's."""

    def __str__(self) -> str:
        return f"[{self.id}] {self.title}"

    @property
    def told(self) -> str:
        """What a member is told to do."""
        return self.description or self.title

    @property
    def short_result(self) -> str | None:
        """The beginning of its result."""
        if self.result is None or len(self.result) <= _SHORT:
            return self.result
        return f"{self.result[:_SHORT]}…"

    def shown(self) -> dict[str, Any]:
        """What an event shows of it."""
        return {"id": self.id, "title": self.title, "status": self.status, "assignee": self.assignee}

    def described(self) -> dict[str, Any]:
        """What the leader reads about it."""
        more = {
            "description": self.description,
            "dependencies": self.dependencies,
            "result": self.short_result,
            "notes": self.notes,
        }
        return self.shown() | {name: value for name, value in more.items() if value}


class TaskResult(Value):
    """What became of one of several tasks that were executed by one call."""

    task_id: str
    member_id: str
    status: Literal["completed", "failed"]
    content: str = ""
    error: str = ""


class _Arguments(Value):
    """The arguments of all calls."""

    task_id: str = ""
    member_id: str = ""
    task_ids: list[str] = Field(default_factory=list[str])
    title: str = ""
    description: str = ""
    assignee: str | None = None
    depends_on: list[str] | None = None
    status: Settable = "pending"
    result: str | None = None
    note: str = ""
    summary: str = ""


_RESULTS: TypeAdapter[list[TaskResult]] = TypeAdapter(list[TaskResult])


class TaskList:
    """The tasks at some point of a run. The methods that change it are the leader's calls; ToolError refuses.

    `members` are the ids of the team's members.
    """

    def __init__(self, members: Collection[str]) -> None:
        self._members = members
        self._tasks: dict[str, Task] = {}
        self._created = 0
        self._expected: set[str] = set()
        """The ids of tasks whose creation has no result yet."""
        self._summary: str | None = None
        self._is_stale = False
        """Whether `blocked` hasn't been derived since the last change."""
        self._is_reading = False
        """Whether calls are being read. Nothing is derived meanwhile: each time takes a look at all tasks."""

    @classmethod
    def of(cls, turns: Turns, members: Collection[str], *, running: Collection[str] = ()) -> TaskList:
        """The tasks after the calls. A call without a result has only begun: members work on it.

        `running` are the ids of calls whose results don't count yet.
        """
        tasks = cls(members)
        tasks._is_reading = True
        for turn in turns:
            done = [call.result is not None and call.tool_call_id not in running for call in turn]
            for call, is_done in zip(turn, done, strict=True):
                tasks._begin(call, is_done=is_done)
            for call in compress(turn, done):
                tasks._end(call)
        tasks._is_reading = False
        return tasks

    @classmethod
    def before(cls, turns: Turns, members: Collection[str], call_id: str) -> TaskList:
        """The tasks as a call finds them, after those before it in its turn, which members still work on.

        That doesn't depend on how long the others take: a call that is repeated finds the same.
        """
        place = next(n for n, turn in enumerate(turns) if any(call.tool_call_id == call_id for call in turn))
        tasks = cls.of(turns[:place], members)
        tasks._is_reading = True
        for call in turns[place]:
            if call.tool_call_id == call_id:
                break
            tasks._begin(call, is_done=call.result is not None, is_made=True)
        tasks._is_reading = False
        return tasks

    def __iter__(self) -> Iterator[Task]:
        if self._is_stale:
            self._block()
        return iter(self._tasks.values())

    @property
    def open(self) -> Sequence[Task]:
        """The tasks that are still to be done."""
        return [task for task in self if task.status in {TaskStatus.PENDING, TaskStatus.IN_PROGRESS}]

    @property
    def completion_summary(self) -> str | None:
        """What the leader has said when it declared all to be complete. None if it hasn't, or not of all."""
        return None if self.open else self._summary

    @property
    def summary(self) -> str:
        """The tasks with their statuses, as text."""
        if not self._tasks:
            return "No tasks."
        completed = sum(task.status is TaskStatus.COMPLETED for task in self)
        lines = [f"- {task}: {task.status}{f' ({task.assignee})' if task.assignee else ''}" for task in self]
        return "\n".join([f"Tasks ({completed}/{len(lines)} completed):", *lines])

    def results_for(self, task: Task) -> list[dict[str, str | None]]:
        """What has come of the tasks that it depends on."""
        before = [self._tasks[each] for each in task.dependencies]
        return [{"task_id": each.id, "title": each.title, "result": each.result} for each in before]

    def interactions(self) -> list[dict[str, str | None]]:
        """What members were asked, and have said."""
        said = [task for task in self if task.is_by_member and task.result is not None]
        return [{"member_id": each.assignee, "task": each.told, "response": each.result} for each in said]

    def add(self, title: str, description: str, assignee: str | None, depends_on: Sequence[str]) -> Task:
        """Creates a task. Its dependencies exist already, so no two depend on each other."""
        if not title.strip():
            raise ToolError("The task has no title: say in a few words what is to be done.")
        for each in depends_on:
            self._task(each)
        task = self._put(title, description, assignee, depends_on)
        self._block()
        return task

    def begin(self, task_id: str, member_id: str) -> Task:
        """Gives a task to a member."""
        task = self._beginnable(task_id)
        task.assignee = member_id
        self._hand_over(task)
        return task

    def begin_all(self, task_ids: Sequence[str]) -> list[Task]:
        """Gives tasks to their assignees: all of them, or none."""
        if not 1 <= len(task_ids) <= MAX_PARALLEL:
            raise ToolError(f"There are {len(task_ids)} ids in task_ids: give 1 to {MAX_PARALLEL}.")
        tasks = [self._beginnable(each) for each in dict.fromkeys(task_ids)]
        if missing := [str(task) for task in tasks if task.assignee is None]:
            raise ToolError(
                f"These tasks have no assignee: {', '.join(missing)}. Execute each with execute_task."
            )
        for task in tasks:
            self._hand_over(task)
        return tasks

    def set_status(self, task_id: str, status: Settable, result: str | None) -> Task:
        """Sets the status of a task that no member works on."""
        task = self._task(task_id)
        if task.is_with_member:
            raise ToolError(f"A member works on the task {task}: wait for its result.")
        task.status, task.result, task.is_by_member = TaskStatus(status), result, False
        self._block()
        return task

    def add_note(self, task_id: str, note: str) -> Task:
        """Adds a note to a task."""
        task = self._task(task_id)
        task.notes.append(note)
        return task

    def complete(self, summary: str) -> None:
        """Declares all to be complete."""
        if self.open:
            tasks = ", ".join(f"{task} ({task.status})" for task in self.open)
            raise ToolError(
                f"There are open tasks: {tasks}. Execute them, or set their status with update_task_status. "
                "Then call mark_all_complete again."
            )
        self._summary = summary

    def _task(self, task_id: str) -> Task:
        found = self._tasks.get(task_id)
        if found is None:
            known = f"Tasks: {', '.join(self._tasks)}." if self._tasks else "Create one with create_task."
            raise ToolError(f"There is no task {task_id!r}. {known}")
        return found

    def _beginnable(self, task_id: str) -> Task:
        task = self._task(task_id)
        if task.is_with_member:
            raise ToolError(f"The task {task} is in progress: wait for its result.")
        if task.status is TaskStatus.COMPLETED:
            raise ToolError(
                f"The task {task} is completed. To have it done again, set its status to pending first."
            )
        missing = [each for each in map(self._task, task.dependencies) if each.status != TaskStatus.COMPLETED]
        if missing:
            self._block()
            tasks = ", ".join(f"{each} ({each.status})" for each in missing)
            raise ToolError(f"The task {task} depends on others that aren't completed: {tasks}.")
        return task

    def _hand_over(self, task: Task) -> None:
        task.status, task.result, task.is_with_member = TaskStatus.IN_PROGRESS, None, True
        self._is_stale = True

    def _begin(self, call: ToolExecution, *, is_done: bool, is_made: bool = False) -> None:
        """What a call does at once. If it isn't done, it is made if members do it, or `is_made` says so."""
        name, is_creation = call.tool_name, call.tool_name == CREATE
        numbered = self._created + is_creation
        if is_done:
            makes = not call.tool_call_error or call.child_run_id is not None or bool(_results(call))
        else:
            makes = is_made or name in BY_MEMBERS
        try:
            given = _Arguments.model_validate(call.tool_args or {}) if makes else None
            if given is not None and (is_done or self._knows(given)):
                self._make(name, given, is_done=is_done)
            elif is_creation and not is_done:
                self._expected.add(f"task-{numbered}")
        except (ToolError, ValidationError):
            pass
        self._created = numbered

    def _knows(self, arguments: _Arguments) -> bool:
        named = {arguments.member_id, arguments.assignee or ""} - {""}
        return named <= {*self._members}

    def _make(self, tool: str, given: _Arguments, *, is_done: bool) -> None:
        match tool:
            case "create_task":
                # Once it is accepted, nothing that becomes of its dependencies can undo it.
                add = self._put if is_done else self.add
                add(given.title, given.description, given.assignee or None, given.depends_on or ())
            case "execute_task":
                self.begin(given.task_id, given.member_id)
            case "execute_tasks_parallel":
                self.begin_all(given.task_ids)
            case "update_task_status":
                self.set_status(given.task_id, given.status, given.result)
            case "add_task_note":
                self.add_note(given.task_id, given.note)
            case "mark_all_complete" if is_done:
                self._summary = given.summary
            case _:
                pass

    def _put(self, title: str, description: str, assignee: str | None, depends_on: Sequence[str]) -> Task:
        self._created += 1
        task = Task(f"task-{self._created}", title, description, assignee, list(dict.fromkeys(depends_on)))
        self._tasks[task.id] = task
        self._summary = None
        self._is_stale = True
        return task

    def _end(self, call: ToolExecution) -> None:
        """What members have made of a call."""
        task_id = (call.tool_args or {}).get("task_id")
        if call.tool_name == EXECUTE and call.child_run_id is not None and call.result is not None:
            self._finish(str(task_id), is_failed=bool(call.tool_call_error), result=call.result)
        for each in _results(call):
            self._finish(each.task_id, is_failed=each.status == "failed", result=each.content or each.error)

    def _finish(self, task_id: str, *, is_failed: bool, result: str) -> None:
        task = self._tasks.get(task_id)
        if task is None:  # its creation, in the same turn, was refused after all
            return
        task.status = TaskStatus.FAILED if is_failed else TaskStatus.COMPLETED
        task.result, task.is_with_member, task.is_by_member = result, False, True
        self._is_stale = True

    def _block(self) -> None:
        """Blocks the tasks that depend on one that has failed, and unblocks the others; later if it reads."""
        self._is_stale = True
        if self._is_reading:
            return
        self._is_stale, good = False, set(self._expected)
        for task in self:
            if task.status in {TaskStatus.PENDING, TaskStatus.BLOCKED}:
                is_free = good.issuperset(task.dependencies)
                task.status = TaskStatus.PENDING if is_free else TaskStatus.BLOCKED
            if task.status not in {TaskStatus.FAILED, TaskStatus.BLOCKED}:
                good.add(task.id)


def turns_of(run: RunOutput) -> Turns:
    """The calls of a run, by model turn."""
    made = {call.tool_call_id: call for call in run.tools}
    asked = [message.tool_calls for message in run.messages if message.tool_calls]
    return [[made[call.id] for call in calls if call.id in made] for calls in asked]


def _results(call: ToolExecution) -> list[TaskResult]:
    """What became of the tasks of a call of execute_tasks_parallel; nothing if it was refused."""
    if call.tool_name != EXECUTE_PARALLEL or call.result is None:
        return []
    try:
        return _RESULTS.validate_json(call.result)
    except ValidationError:
        return []
