"""Executes one segment of a run, from its first step to its stored outcome."""
