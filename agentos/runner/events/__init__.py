"""The path of a run's events: to followers in this process, into the log, and out of it."""
