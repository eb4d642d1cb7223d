"""Storage in Postgres."""
