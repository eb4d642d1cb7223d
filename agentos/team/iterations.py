"""The loop of a team in the mode `tasks`: its leader goes over the tasks until none is open."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from agentos.agent.calls import open_calls
from agentos.agent.loop import Loop
from agentos.errors import AgentOSError
from agentos.run.events import (
    RunContentCompleted,
    RunEvent,
    TaskCreated,
    TaskIterationCompleted,
    TaskIterationStarted,
    TaskStateUpdated,
    TaskUpdated,
    ToolCallCompleted,
    ToolCallError,
    ToolCallStarted,
)
from agentos.run.messages import Message, ToolExecution
from agentos.run.records import RunOutput
from agentos.run.text import tagged_json
from agentos.team.task_list import BY_MEMBERS, Task, TaskList, TaskStatus, turns_of

TASK_LIST: Final = "task_list"
"""The name of the messages that begin later iterations, by which they are counted."""


class MaxIterationsError(AgentOSError):
    """A team's leader has gone over its tasks `max_iterations` times, and some are still open."""

    code = "max_iterations"


@dataclass(frozen=True, slots=True)
class Iterations:
    """Goes through the leader's loop until no task is open."""

    members: Collection[str]
    """Their ids."""
    most: int

    async def events(self, loop: Loop) -> AsyncGenerator[RunEvent]:
        """The events of all iterations, or of the rest of them after a pause.

        A pause belongs to its iteration, which completes after it. MaxIterationsError if tasks stay open.
        """
        run = loop.context.run
        number, is_begun = _number(run), bool(open_calls(run) and run.tools)  # a fork brings calls only
        while True:
            if not is_begun:
                yield TaskIterationStarted(iteration=number, max_iterations=self.most)
            is_begun = False
            async with aclosing(self._iteration(loop)) as events:
                async for event in events:
                    yield event
            if run.active_requirements:
                break
            tasks = TaskList.of(turns_of(run), self.members)
            yield _state(tasks)
            yield TaskIterationCompleted(
                iteration=number, max_iterations=self.most, task_summary=tasks.summary
            )
            if not tasks.open or run.messages[-1].role == "tool":  # a tool of the leader's has ended the run
                break
            if number >= self.most:
                raise MaxIterationsError(
                    f"The team has gone over its tasks {self.most} times, and {len(tasks.open)} of them are "
                    "still open: give it more max_iterations, or a smaller goal."
                )
            number += 1
            run.messages.append(_reminder(tasks, number, self.most))
        yield RunContentCompleted()

    async def _iteration(self, loop: Loop) -> AsyncGenerator[RunEvent]:
        changes = _Changes(loop.context.run, self.members)
        async with aclosing(loop.events()) as events:
            async for event in events:
                match event:
                    case RunContentCompleted():
                        continue
                    case ToolCallStarted():
                        yield event
                        for change in changes.begun(event.tool):
                            yield change
                    case ToolCallCompleted() | ToolCallError():
                        for change in changes.ended(event.tool):
                            yield change
                        yield event
                    case _:
                        yield event


@dataclass(slots=True)
class _Changes:
    """What changes with each call, in the order in which the stream shows the calls."""

    run: RunOutput
    members: Collection[str]
    _begun: set[str] = field(default_factory=set[str], init=False)
    _running: set[str] = field(default_factory=set[str], init=False)
    """Those of them that haven't ended."""
    _shown: dict[str, TaskStatus] = field(default_factory=dict[str, TaskStatus], init=False)

    def __post_init__(self) -> None:
        self._begun = {call.tool_call_id for call in self.run.tools}
        self._running = {call.tool_call_id for call in self.run.tools if call.result is None}
        self._shown = {task.id: task.status for task in self._tasks()}

    def begun(self, call: ToolExecution) -> list[RunEvent]:
        """After the call has begun. Unless members do it, nothing changes before it has ended."""
        self._begun.add(call.tool_call_id)
        self._running.add(call.tool_call_id)
        return list(self._news()) if call.tool_name in BY_MEMBERS else []

    def ended(self, call: ToolExecution) -> list[RunEvent]:
        """After the call has ended."""
        self._running.discard(call.tool_call_id)
        return list(self._news())

    def _tasks(self) -> TaskList:
        begun = [[call for call in turn if call.tool_call_id in self._begun] for turn in turns_of(self.run)]
        return TaskList.of(begun, self.members, running=self._running)

    def _news(self) -> Iterator[RunEvent]:
        for task in self._tasks():
            if task.id not in self._shown:
                self._shown[task.id] = TaskStatus.PENDING
                yield _created(task)
            before, self._shown[task.id] = self._shown[task.id], task.status
            if task.status is not before:
                yield TaskUpdated(
                    task_id=task.id,
                    title=task.title,
                    status=task.status,
                    previous_status=before,
                    result=task.short_result,
                    assignee=task.assignee,
                )


def _number(run: RunOutput) -> int:
    """Of the current iteration: the leader is reminded of its tasks before each but the first."""
    asked = max((place for place, each in enumerate(run.messages) if each.is_question), default=0)
    return 1 + sum(message.name == TASK_LIST for message in run.messages[asked:])


def _reminder(tasks: TaskList, number: int, most: int) -> Message:
    listed = tagged_json("tasks", [task.described() for task in tasks])
    text = (
        f"This is iteration {number} of {most}. There are open tasks: continue with them, and call "
        f"mark_all_complete when all is done. Then answer.\n\n{listed}"
    )
    return Message(role="user", name=TASK_LIST, content=text)


def _created(task: Task) -> TaskCreated:
    return TaskCreated(
        task_id=task.id,
        title=task.title,
        description=task.description,
        assignee=task.assignee,
        status=TaskStatus.PENDING,
        dependencies=list(task.dependencies),
    )


def _state(tasks: TaskList) -> TaskStateUpdated:
    return TaskStateUpdated(
        task_summary=tasks.summary,
        goal_complete=tasks.completion_summary is not None,
        completion_summary=tasks.completion_summary,
        tasks=[task.shown() for task in tasks],
    )
