"""Agents: runnables that combine a model, tools and instructions."""

from agentos.agent.agent import Agent
from agentos.run.events import RunEvent
from agentos.run.messages import Message
from agentos.run.records import RunOutput
from agentos.tools.toolkit import Toolkit

__all__ = ["Agent", "Message", "RunEvent", "RunOutput", "Toolkit"]
