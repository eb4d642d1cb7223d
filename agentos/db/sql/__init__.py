"""SQL statements that involve several tables."""
