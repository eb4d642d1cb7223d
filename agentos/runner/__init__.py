"""The life of a run: accepting, executing and following it, for every kind of runnable."""
