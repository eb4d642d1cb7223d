"""What was denied and what was changed, by whom: one chain of rows."""
