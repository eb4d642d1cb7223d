"""The servers that are measured, and the floor under them."""
