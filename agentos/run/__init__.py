"""Values of a run: events, messages and records. Nothing here does I/O."""

from agentos.run.budget import Budget
from agentos.run.events import RunEvent
from agentos.run.media import File, Image
from agentos.run.messages import Message
from agentos.run.owner import ANYONE, Owner
from agentos.run.records import RunOutput, RunStatus
from agentos.run.runnable import RunContext, Runnable
from agentos.run.state import State

__all__ = [
    "ANYONE",
    "Budget",
    "File",
    "Image",
    "Message",
    "Owner",
    "RunContext",
    "RunEvent",
    "RunOutput",
    "RunStatus",
    "Runnable",
    "State",
]
