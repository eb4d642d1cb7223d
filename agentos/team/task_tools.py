"""The leader's tools in the mode `tasks`: a list of tasks, and members that do them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentos.run.records import RunOutput
from agentos.run.runnable import RunContext
from agentos.team.delegation import Delegation, answer_of, answers_of, begins_runs, together
from agentos.team.members import result_of
from agentos.team.task_list import Settable, Task, TaskList, turns_of
from agentos.tools.idempotency import current_call
from agentos.tools.result import NestedResult
from agentos.tools.tool import tool
from agentos.tools.toolset import Toolbox


@dataclass(frozen=True, slots=True)
class TaskTools:
    """Calls change nothing but the run's record, which `TaskList` reads."""

    delegation: Delegation

    def toolbox(self) -> Toolbox:
        """The tools."""
        by_members = map(begins_runs, (self.execute_task, self.execute_tasks_parallel))
        others = (self.update_task_status, self.list_tasks, self.add_task_note, self.mark_all_complete)
        return Toolbox.of([self.create_task, *by_members, *others])

    @tool
    async def create_task(
        self,
        context: RunContext,
        title: str,
        description: str = "",
        assignee: str | None = None,
        depends_on: list[str] | None = None,
    ) -> str:
        """Adds a task to the list. The ids are task-1, task-2 and so on, in the order of the calls.

        Args:
            title: What is to be done, in a few words.
            description: What the member is to do, with everything that it needs to know.
            assignee: The id of the member that is to do it.
            depends_on: The ids of tasks that must be completed before. The member is told their results.
        """
        if assignee:
            self.delegation.roster.member(assignee)
        tasks = self._tasks(context)
        task = tasks.add(title, description, assignee or None, depends_on or ())
        return f"Task created: {task} (status: {task.status})"

    @tool
    async def execute_task(self, context: RunContext, task_id: str, member_id: str) -> NestedResult:
        """Lets a member do a task, and returns the member's answer. A failed task may be executed again.

        Args:
            task_id: The task's id.
            member_id: The member's id.
        """
        self.delegation.roster.member(member_id)
        tasks = self._tasks(context)
        return answer_of(await self._done(context, tasks, tasks.begin(task_id, member_id)))

    @tool
    async def execute_tasks_parallel(self, context: RunContext, task_ids: list[str]) -> NestedResult:
        """Lets the assignees of several tasks do them at once, and returns the answer of each.

        Args:
            task_ids: The ids of the tasks. Each has an assignee, and none depends on another one of them.
        """
        tasks = self._tasks(context)
        begun = tasks.begin_all(task_ids)
        ids: dict[str, str] = {}

        async def done(task: Task) -> RunOutput:
            run = await self._done(context, tasks, task, part=task.id)
            ids[run.run_id] = task.id
            return run

        def shown(run: RunOutput) -> Mapping[str, str]:
            return {"task_id": ids[run.run_id], **result_of(run)}

        return answers_of(await together([done(task) for task in begun]), shown)

    @tool
    async def update_task_status(
        self, context: RunContext, task_id: str, status: Settable, result: str | None = None
    ) -> str:
        """Sets the status of a task that no member works on, such as one that you do yourself.

        Args:
            task_id: The task's id.
            status: The new status. A pending task can be executed, also again.
            result: What has come of it, for members whose tasks depend on it.
        """
        task = self._tasks(context).set_status(task_id, status, result)
        return f"Task updated: {task} (status: {task.status})"

    @tool
    async def list_tasks(self, context: RunContext) -> list[dict[str, Any]]:
        """Lists all tasks, with their statuses and the beginnings of their results."""
        return [task.described() for task in self._tasks(context)]

    @tool
    async def add_task_note(self, context: RunContext, task_id: str, note: str) -> str:
        """Adds a note to a task, for yourself. Members don't see it.

        Args:
            task_id: The task's id.
            note: The text.
        """
        return f"Note added to the task {self._tasks(context).add_note(task_id, note)}."

    @tool
    async def mark_all_complete(self, context: RunContext, summary: str) -> str:
        """Ends the work on the tasks. It is refused while tasks are pending or in progress.

        Args:
            summary: What has been achieved.
        """
        self._tasks(context).complete(summary)
        return f"Goal marked as complete. Summary: {summary}"

    def _tasks(self, context: RunContext) -> TaskList:
        _, call_id = current_call()
        return TaskList.before(turns_of(context.run), self.delegation.roster.ids, call_id)

    async def _done(
        self, context: RunContext, tasks: TaskList, task: Task, *, part: str | None = None
    ) -> RunOutput:
        assert task.assignee is not None, "a task that has begun has an assignee"
        member = self.delegation.roster.member(task.assignee)
        shared = {"task_results": tasks.results_for(task)}
        if self.delegation.told.interactions:
            shared["member_interactions"] = tasks.interactions()
        return await self.delegation.ask(context, member, task.told, part=part, shared=shared)
