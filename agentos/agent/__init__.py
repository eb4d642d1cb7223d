"""Agents: runnables that combine a model, tools and instructions."""

from agentos.agent.agent import Agent

__all__ = ["Agent"]
