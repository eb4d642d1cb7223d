"""`Team`: a runnable whose model gives tasks to members."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

from agentos.agent.agent import ModelRunnable
from agentos.agent.loop import Loop
from agentos.agent.output import parse, type_name
from agentos.errors import ConfigurationError
from agentos.kinds import Kind
from agentos.run.events import RunEvent
from agentos.run.messages import Message
from agentos.run.runnable import RunContext, Runnable
from agentos.runner.settings import Configured, RunSettings
from agentos.team.delegation import Delegation, Told
from agentos.team.iterations import Iterations
from agentos.team.members import Members, Roster, check_circle, listed
from agentos.team.mode import RULES, TeamMode
from agentos.team.task_tools import TaskTools
from agentos.tools.toolset import Toolbox
from agentos.utils.names import checks_parameters


@checks_parameters
@dataclass(kw_only=True, eq=False, repr=False)
class Team(ModelRunnable):
    """Give it members, a mode and a model that leads them. Then `run` it, or pass it to `AgentOS`.

    A member's work is a nested run: with its own row, events and tokens, but the team's session, state,
    budget and database. If a member waits for a person, the team's run pauses. Only direct members can be
    addressed; a member that is a team leads its own. Definitions are never changed: the same agent may be a
    member of several teams.
    """

    members: Members
    mode: TeamMode | str | None = None
    """How the leader works with the members: `coordinate` (the default), `route`, `broadcast` or `tasks`."""
    respond_directly: bool = False
    """Another word for `mode="route"`."""
    delegate_to_all_members: bool = False
    """Another word for `mode="broadcast"`."""
    max_iterations: int = 10
    """With `mode="tasks"`, how often the leader goes over its tasks before the run fails."""
    determine_input_for_members: bool = True
    """Whether members get the task that the leader writes. False: they get the user's message."""
    share_member_interactions: bool = False
    """Whether members see what others were asked and have said in this run."""
    add_team_history_to_members: bool = False
    """Whether members see the session's last questions to the team and its answers."""
    num_team_history_runs: int = 3
    """How many of them."""
    add_member_tools_to_context: bool = False
    """Whether the leader knows the names of the members' tools."""
    stream_member_events: bool = True
    """Whether streams show the members' events."""
    show_members_responses: bool = False
    """Whether `print_response` shows what members say."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._mode = self.mode = self._chosen_mode()
        self._check_least(max_iterations=1, num_team_history_runs=1)
        self._delegation: Delegation | None = None
        self._known: tuple[Runnable, ...] = ()
        if isinstance(self.members, type) or not callable(self.members):
            self._delegation = self._delegation_to(self.members)
            self.members = self._known = tuple(self._delegation.roster)
            check_circle(self, self.members)
            # A tool with the name of a leader's tool is refused now, not when a run starts.
            Toolbox.joined([self._tools.known, self._leaders_tools(self._delegation)])

    @property
    def kind(self) -> Kind:
        """`team`."""
        return "team"

    @property
    def settings(self) -> RunSettings:
        """The settings that the runner reads before a run."""
        own = super().settings
        told = self.num_team_history_runs if self.add_team_history_to_members else 0
        history = max(own.history_runs, told)
        return replace(own, history_runs=history, member_events=self.stream_member_events)

    async def events(self, context: RunContext) -> AsyncGenerator[RunEvent]:
        """Executes a run, or the rest of one: the loop between leader and members, then the memory update."""
        delegation = self._delegation or self._delegation_to(await listed(self.members, context))
        delegation = replace(delegation, history=context.history)
        context.history = self._own_history(context.history)
        about = self._about(delegation.roster)
        is_list = self._mode is TeamMode.TASKS
        rounds = Iterations(delegation.roster.ids, self.max_iterations).events if is_list else Loop.events
        source = self._conversation(context, self._leaders_tools(delegation), about=about, rounds=rounds)
        async with aclosing(source) as events:
            async for event in events:
                yield event
        self._take_routed_answer(context)

    async def aclose(self) -> None:
        """Closes connections of its model, tools and members, but not of members made by a function."""
        async with AsyncExitStack() as stack:
            for each in self._known:
                if isinstance(each, Configured):
                    stack.push_async_callback(each.aclose)
            await super().aclose()

    def _chosen_mode(self) -> TeamMode:
        """ConfigurationError for an unknown mode, or two of them."""
        words = {
            TeamMode.ROUTE: self.respond_directly,
            TeamMode.BROADCAST: self.delegate_to_all_members,
        }
        chosen = {mode for mode, is_said in words.items() if is_said}
        if self.mode is not None:
            if self.mode not in list(TeamMode):
                raise ConfigurationError(f"mode={self.mode!r} is invalid: give one of {', '.join(TeamMode)}.")
            chosen.add(TeamMode(self.mode))
        if len(chosen) > 1:
            raise ConfigurationError(f"A team has one mode, not {' and '.join(sorted(chosen))}.")
        return chosen.pop() if chosen else TeamMode.COORDINATE

    def _delegation_to(self, members: object) -> Delegation:
        told = Told(
            input_as_task=not self.determine_input_for_members,
            interactions=self.share_member_interactions,
            history_runs=self.num_team_history_runs if self.add_team_history_to_members else 0,
        )
        roster = Roster(members, team_id=self.id)
        return Delegation(roster, told, is_route=self._mode is TeamMode.ROUTE)

    def _leaders_tools(self, delegation: Delegation) -> Toolbox:
        if self._mode is TeamMode.TASKS:
            return TaskTools(delegation).toolbox()
        return delegation.toolbox(to_all=self._mode is TeamMode.BROADCAST)

    def _about(self, roster: Roster) -> str:
        described = roster.described(with_tools=self.add_member_tools_to_context)
        return f"<team_members>\n{described}\n</team_members>\n\n{RULES[self._mode]}"

    def _own_history(self, history: list[Message]) -> list[Message]:
        """The part of the session's history that the leader sees, if members see another part."""
        if not self.add_history_to_context:
            return []
        starts = [place for place, message in enumerate(history) if message.is_question]
        if not self.add_team_history_to_members or len(starts) <= self.num_history_runs:
            return history
        return history[starts[-self.num_history_runs] :]

    def _take_routed_answer(self, context: RunContext) -> None:
        """Reads a member's answer in the schema that was asked of the team."""
        run, schema = context.run, context.output_schema
        is_routed = self._mode is TeamMode.ROUTE and not run.active_requirements
        if is_routed and schema is not None and isinstance(run.content, str):
            run.content, run.content_type = parse(run.content, schema), type_name(schema)
