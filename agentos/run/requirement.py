"""What a paused run waits for, and a person's answers to it."""

from __future__ import annotations

from agentos.run.messages import ToolExecution
from agentos.run.value import Value


class RunRequirement(Value):
    """One call that waits for a person. Its methods change the call, which `continue_run` then takes."""

    tool_execution: ToolExecution

    @property
    def id(self) -> str:
        """The call's id: one call waits for one thing at a time."""
        return self.tool_execution.tool_call_id
