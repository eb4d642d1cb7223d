"""JSON schemas of responses and of the smaller request bodies."""
