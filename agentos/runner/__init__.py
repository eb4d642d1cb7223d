"""Accept, execute, follow: the life of a run, once for every kind of runnable."""
