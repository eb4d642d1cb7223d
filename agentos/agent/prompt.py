"""Builds the messages for the model: one system message, the history, and the user's message."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from agentos.run.messages import Message
from agentos.run.runnable import RunContext, called
from agentos.run.text import tagged_json

PromptText = str | list[str] | None
Instructions = str | Sequence[str] | Callable[..., PromptText | Awaitable[PromptText]] | None
"""Text, a list of rules, or a function of the run (a parameter annotated `RunContext`, or none)."""

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def is_instructions(value: object) -> bool:
    """Whether a value has the type `Instructions`."""
    if value is None or isinstance(value, str) or callable(value):
        return True
    return isinstance(value, Sequence) and all(
        isinstance(line, str) for line in cast("Sequence[object]", value)
    )


@dataclass(frozen=True, slots=True)
class Prompt:
    """The parts of an agent's system message. See `Agent` for their meaning."""

    name: str | None = None
    role: str | None = None
    description: str | None = None
    instructions: Instructions = None
    system_message: Instructions = None
    expected_output: str | None = None
    additional_context: str | None = None
    markdown: bool = False
    add_name: bool = False
    add_datetime: bool = False
    timezone: str | None = None
    add_session_state: bool = False
    add_dependencies: bool = False
    add_memories: bool = False
    resolve: bool = True

    async def messages(
        self, context: RunContext, tool_rules: Iterable[str] = (), *, about: str = ""
    ) -> list[Message]:
        """The first messages of this run: the system message, unless it is empty, and the user's message.

        `tool_rules` are the instructions of the run's tools, `about` says what the model leads.
        """
        given = context.run.input
        assert given is not None, "accept() sets the input"
        question = given.input_content
        if self.add_dependencies and context.dependencies:
            question += f"\n\n{tagged_json('context', context.dependencies)}"
        user = Message(role="user", content=question, images=given.images, files=given.files)
        system = await self._system(context, tool_rules, about)
        return [Message(role="system", content=system), user] if system else [user]

    async def _system(self, context: RunContext, tool_rules: Iterable[str], about: str) -> str:
        if self.system_message is not None:
            return "\n".join(self._resolved(await _lines(self.system_message, context), context))
        rules = [*await _lines(self.instructions, context), *tool_rules]
        sections = [
            self.description or "",
            f"Your role: {self.role}" if self.role else "",
            about,
            _listed("instructions", rules),
            _listed("additional_information", self._facts()),
            _tagged("expected_output", self.expected_output),
            self.additional_context or "",
        ]
        # What users have said stays as it is: names in it would tell them values that only tools should know.
        said = [
            self._memories(context),
            tagged_json("session_state", context.session_state) if self.add_session_state else "",
        ]
        return "\n\n".join(filter(None, [*self._resolved(sections, context), *said]))

    def _facts(self) -> list[str]:
        facts: list[str] = []
        if self.markdown:
            facts.append("Use markdown to format your answers.")
        if self.add_name and self.name:
            facts.append(f"Your name is {self.name}.")
        if self.add_datetime:
            from zoneinfo import ZoneInfo

            zone = ZoneInfo(self.timezone) if self.timezone else None
            facts.append(f"The current time is {datetime.now(zone).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}.")
        return facts

    def _memories(self, context: RunContext) -> str:
        if not self.add_memories or not context.memories:
            return ""
        known = "\n".join(f"- {memory.memory}" for memory in context.memories)
        return (
            "What you remember of this user from earlier conversations (what they say now counts more):\n"
            f"<memories>\n{known}\n</memories>"
        )

    def _resolved(self, texts: list[str], context: RunContext) -> list[str]:
        """Replaces `{name}` with what claims, state, dependencies or metadata say, and keeps other braces."""
        if not self.resolve:
            return texts
        known: dict[str, Any] = {
            **context.metadata,
            **context.dependencies,
            **context.session_state,
            # What the caller's token says can't be said by anybody else.
            **context.request.claims,
            "user_id": context.user_id,
            "session_id": context.run.session_id,
        }

        def value(match: re.Match[str]) -> str:
            return str(known[match[1]]) if match[1] in known else match[0]

        return [_VARIABLE.sub(value, text) for text in texts]


async def _lines(source: Instructions, context: RunContext) -> list[str]:
    value = await called(source, context) if callable(source) else source
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _listed(tag: str, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return _tagged(tag, lines[0])
    return _tagged(tag, "\n".join(f"- {line}" for line in lines))


def _tagged(tag: str, text: str | None) -> str:
    return f"<{tag}>\n{text}\n</{tag}>" if text else ""
