"""The scope map and its decisions, as pure functions without HTTP, database or clock."""
