"""Backups of a set of tables, written and read by `pg_dump` and `pg_restore`."""
