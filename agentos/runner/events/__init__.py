"""A run's events on their way: to followers in this process, into the log, and out of it."""
