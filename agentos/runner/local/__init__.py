"""Runs in a process of one's own, without a server."""
