"""Runs over a long time, on replicas that are killed, restarted and cut off from their database."""
