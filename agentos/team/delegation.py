"""The leader's tools: each call gives a task to a member, in a nested run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentos.run.messages import Message, ToolExecution
from agentos.run.records import RunInput, RunOutput, RunStatus
from agentos.run.runnable import RunContext, Runnable
from agentos.run.text import json_of, tagged_json
from agentos.team.members import Roster, Routed, failure_of, problem_of, result_of, text_of
from agentos.tools.idempotency import current_call
from agentos.tools.result import MAX_RESULT, NestedResult, to_text
from agentos.tools.tool import Tool, tool
from agentos.tools.toolset import Toolbox

DELEGATE = "delegate_task_to_member"
DELEGATE_TO_ALL = "delegate_task_to_members"
_LEAST = 100
"""Characters of each answer that reach the leader, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a member is told besides its task."""

    input_as_task: bool = False
    """Whether the user's own message replaces the task."""
    interactions: bool = False
    """Whether what other members were asked and have said in this run."""
    history_runs: int = 0
    """How many of the team's last questions and answers."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """Gives tasks to members."""

    roster: Roster
    told: Told
    history: Sequence[Message] = ()
    """Of the team's session."""
    is_route: bool = False
    """Whether a member's answer is the team's."""

    def toolbox(self, *, to_all: bool) -> Toolbox:
        """The tools of the modes other than tasks."""
        delegate = self.delegate_task_to_members if to_all else self.delegate_task_to_member
        return Toolbox.of([begins_runs(delegate, stop_after_tool_call=self.is_route)])

    @tool
    async def delegate_task_to_member(self, context: RunContext, member_id: str, task: str) -> NestedResult:
        """Gives a task to a member, and returns the member's answer.

        Args:
            member_id: The member's id.
            task: What the member is to do, with everything that it needs to know.
        """
        member = self.roster.member(member_id)
        runnable = Routed(member, context) if self.is_route else member
        return answer_of(await self.ask(context, runnable, task), is_final=self.is_route)

    @tool
    async def delegate_task_to_members(self, context: RunContext, task: str) -> NestedResult:
        """Gives the same task to all members, and returns the answer of each.

        Args:
            task: What the members are to do, with everything that they need to know.
        """
        asked = [self.ask(context, member, task, part=member.id) for member in self.roster]
        return answers_of(await together(asked), result_of)

    async def ask(
        self,
        context: RunContext,
        member: Runnable,
        task: str,
        *,
        part: str | None = None,
        shared: Mapping[str, Sequence[object]] | None = None,
    ) -> RunOutput:
        """The member's run. `part` tells it from others of the same call.

        `shared` is what the member reads before its task, by tag.
        """
        step, _ = current_call()
        given = context.run.input
        assert given is not None, "accept() sets the input"
        text = given.input_content if self.told.input_as_task else task
        asked = RunInput(
            input_content=self._preface(context, shared or {}) + text, images=given.images, files=given.files
        )
        return await context.child(member, asked, name=step if part is None else f"{step}-{part}")

    def _preface(self, context: RunContext, shared: Mapping[str, Sequence[object]]) -> str:
        parts: list[str] = []
        if self.told.history_runs and (said := exchanges(self.history)[-self.told.history_runs :]):
            parts.append(tagged_json("team_history", said))
        if self.told.interactions and (said := _interactions(context.run.tools)):
            parts.append(tagged_json("member_interactions", said))
        parts += [tagged_json(tag, said) for tag, said in shared.items() if said]
        return "".join(f"{part}\n\n" for part in parts)


async def together(asked: Sequence[Coroutine[Any, Any, RunOutput]]) -> list[RunOutput]:
    """The runs, executed at once. If one fails the team's run too, the others are cancelled and left out."""
    tasks = [asyncio.create_task(each) for each in asked]
    try:
        for finished in asyncio.as_completed(tasks):
            run = await finished
            if run.status is RunStatus.ERROR and failure_of(run, is_final=False) is not None:
                break
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    return [each for each in ended if isinstance(each, RunOutput)]


def begins_runs(made: Tool, **options: Any) -> Tool:
    """A copy of the tool that is marked as beginning nested runs, with other `options`."""
    return replace(made, begins_runs=True, **options)


def answer_of(run: RunOutput, *, is_final: bool = False) -> NestedResult:
    """The answer to a call that one nested run does."""
    if run.is_paused:
        return NestedResult("", child_run_id=run.run_id, is_waiting=True)
    if run.status is RunStatus.COMPLETED:
        return NestedResult(to_text(text_of(run)), child_run_id=run.run_id)
    failure = failure_of(run, is_final=is_final)
    return NestedResult(to_text(problem_of(run)), error=True, child_run_id=run.run_id, failure=failure)


def answers_of(runs: Sequence[RunOutput], shown: Callable[[RunOutput], Mapping[str, str]]) -> NestedResult:
    """The answer to a call that several nested runs do, as JSON: a member can't pretend to be another.

    It is an error if all have failed. A failure of the whole tree comes before what others wait for. Texts
    are cut to an equal share of MAX_RESULT.
    """
    ended = [run for run in runs if not run.is_paused]
    failures = (failure_of(run, is_final=False) for run in ended if run.status is not RunStatus.COMPLETED)
    failure = next((failure for failure in failures if failure is not None), None)
    if failure is None and len(ended) < len(runs):
        return NestedResult("", is_waiting=True)
    most = max(MAX_RESULT // max(len(ended), 1) - 200, _LEAST)
    cut = [{name: _cut(text, most) for name, text in shown(run).items()} for run in ended]
    return NestedResult(
        json_of(cut),
        error=all(run.status is not RunStatus.COMPLETED for run in ended),
        failure=failure,
    )


def exchanges(history: Sequence[Message]) -> list[dict[str, str]]:
    """The questions of a conversation with the last answer to each."""
    found: list[dict[str, str]] = []
    for message in history:
        if message.is_question:
            found.append({"input": message.content or "", "answer": ""})
        elif message.role == "assistant" and message.content and found:
            found[-1]["answer"] = message.content
    return found


def _interactions(tools: Sequence[ToolExecution]) -> list[dict[str, Any]]:
    """The last ones, of MAX_RESULT characters: each is stored with every member that is told."""
    found: deque[dict[str, Any]] = deque()
    room = MAX_RESULT
    for call in reversed(tools):
        if call.tool_name in {DELEGATE, DELEGATE_TO_ALL} and call.result is not None:
            said = {**(call.tool_args or {}), "response": call.result}
            room -= len(json_of(said))
            if room < 0:
                break
            found.appendleft(said)
    return list(found)


def _cut(text: str, most: int) -> str:
    """The beginning of a text, of at most `most` characters once JSON has escaped it."""
    text = text[:most]
    while (size := len(json_of(text)) - 2) > most:
        text = text[: len(text) * most // size]
    return text
