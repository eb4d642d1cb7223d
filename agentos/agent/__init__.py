"""Agents: a model, its tools and what it is told, as one runnable."""

from agentos.agent.agent import Agent

__all__ = ["Agent"]
