"""One segment of a run, from its first step to its stored outcome."""
