"""The values of a run: events, messages, records. Nothing here does I/O."""
