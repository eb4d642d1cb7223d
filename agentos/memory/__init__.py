"""Memories about users."""

from agentos.memory.manager import MemoryManager

__all__ = ["MemoryManager"]
