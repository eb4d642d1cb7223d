"""Agents: a model, its tools and what it is told, as one runnable."""
